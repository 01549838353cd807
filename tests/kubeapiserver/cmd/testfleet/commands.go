package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// readCommands sends each line of the input, until the input or the receiver ends.
func readCommands(input io.Reader, commands chan<- string, done <-chan struct{}) {
	for lines := bufio.NewScanner(input); lines.Scan(); {
		select {
		case commands <- lines.Text():
		case <-done:
			return
		}
	}
}

// exit is the end of one run of an API server; done tells that run from later ones.
type exit struct {
	server *apiServer
	done   <-chan struct{}
}

// attend carries out commands until ctx ends, each answered by a line on standard output: `ok`, or `error` and why.
//
//	kill NAME    end an API server as a crash would
//	start NAME   run it again, on the same port, and wait until it is ready
//
// An API server that exits without having been killed is an error.
func attend(ctx context.Context, o options, servers []*apiServer, commands <-chan string) error {
	exits := make(chan exit)
	watch := func(server *apiServer) {
		end := exit{server, server.exited}
		go func() {
			<-end.done
			select {
			case exits <- end:
			case <-ctx.Done():
			}
		}()
	}
	for _, server := range servers {
		watch(server)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case end := <-exits:
			if server := end.server; end.done == server.exited && !server.killed {
				return fmt.Errorf("cluster %s: kube-apiserver exited (see %s)", server.Name, server.LogFile)
			}
		case command := <-commands:
			server, err := carryOut(ctx, o, servers, command)
			if err == nil && !server.killed {
				watch(server)
			}
			answer := "ok"
			if err != nil {
				answer = "error " + err.Error()
			}
			fmt.Fprintln(os.Stdout, answer)
		}
	}
}

func carryOut(ctx context.Context, o options, servers []*apiServer, command string) (*apiServer, error) {
	verb, name, _ := strings.Cut(command, " ")
	for _, server := range servers {
		if server.Name != name {
			continue
		}
		switch {
		case verb == "kill" && !server.killed:
			return server, server.kill()
		case verb == "start" && server.killed:
			ready, done := context.WithTimeout(ctx, o.readyTimeout)
			defer done()
			if err := server.start(); err != nil {
				return nil, err
			}
			return server, server.waitReady(ready)
		}
	}
	return nil, fmt.Errorf("%q cannot be done now", command)
}
