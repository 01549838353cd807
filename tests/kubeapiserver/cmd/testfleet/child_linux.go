package main

import "syscall"

// dieWithParent makes the kernel kill the child when this process is killed and cannot stop it itself.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
