// Command testfleet runs a small fleet of real Kubernetes control planes for tests: one etcd, embedded in this process,
// and one kube-apiserver process per cluster, each below its own prefix of that etcd.
//
// It prints one line of JSON on standard output once every API server is ready, and stops everything on SIGTERM, on
// SIGINT, or when its standard input closes, so that it cannot outlive the test run that started it. Lines on standard
// input are commands (see commands.go). There is no controller manager, scheduler or kubelet: no garbage collection, no
// default ServiceAccounts, and a Namespace that is deleted stays Terminating.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Fleet is the line of JSON that tells the parent how to reach what was started.
type Fleet struct {
	Etcd     string    `json:"etcd"`
	Clusters []Cluster `json:"clusters"`
}

// Cluster is one API server. Paths are absolute.
type Cluster struct {
	Name       string `json:"name"`
	Server     string `json:"server"`
	Kubeconfig string `json:"kubeconfig"`
	Token      string `json:"token"`
	CAFile     string `json:"ca_file"`
	LogFile    string `json:"log_file"`
	AuditFile  string `json:"audit_file"`
	EtcdPrefix string `json:"etcd_prefix"`
}

type names []string

func (n *names) String() string { return fmt.Sprint(*n) }

func (n *names) Set(value string) error {
	*n = append(*n, value)
	return nil
}

type options struct {
	dir             string
	apiserver       string
	clusters        names
	tracingEndpoint string
	readyTimeout    time.Duration
}

func main() {
	// Children ask the kernel to die with the thread that started them; the main thread lives as long as the process.
	runtime.LockOSThread()
	if err := run(parseOptions()); err != nil {
		fmt.Fprintln(os.Stderr, "testfleet:", err)
		os.Exit(1)
	}
}

func parseOptions() options {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	var o options
	flag.StringVar(&o.dir, "dir", "", "directory for data, certificates, kubeconfigs and logs (required)")
	flag.StringVar(&o.apiserver, "kube-apiserver", filepath.Join(filepath.Dir(self), "kube-apiserver"), "kube-apiserver binary")
	flag.Var(&o.clusters, "cluster", "name of a cluster; repeat for more (required)")
	flag.StringVar(&o.tracingEndpoint, "tracing-endpoint", "", "host:port of an OTLP gRPC receiver for the API servers' spans, all sampled")
	flag.DurationVar(&o.readyTimeout, "ready-timeout", 2*time.Minute, "how long to wait for every API server")
	flag.Parse()
	return o
}

func run(o options) error {
	if o.dir == "" || len(o.clusters) == 0 {
		return errors.New("--dir and at least one --cluster are required")
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	commands := make(chan string)
	go func() {
		readCommands(os.Stdin, commands, ctx.Done())
		cancel()
	}()

	store, err := startEtcd(filepath.Join(dir, "etcd"))
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer store.Close()

	var servers []*apiServer
	defer func() { stopAll(servers) }()
	for _, name := range o.clusters {
		server, err := startAPIServer(o, name, filepath.Join(dir, name), store.endpoint)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		servers = append(servers, server)
	}

	fleet := Fleet{Etcd: store.endpoint}
	ready, done := context.WithTimeout(ctx, o.readyTimeout)
	defer done()
	for _, server := range servers {
		if err := server.waitReady(ready); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("cluster %s: %w (see %s)", server.Name, err, server.LogFile)
		}
		fleet.Clusters = append(fleet.Clusters, server.Cluster)
	}
	if err := json.NewEncoder(os.Stdout).Encode(fleet); err != nil {
		return err
	}
	return attend(ctx, o, servers, commands)
}
