package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	pollInterval = 100 * time.Millisecond
	// stopGrace bounds the API server's own shutdown, which waits for open watches; there is nothing to save.
	stopGrace = 5 * time.Second
)

type apiServer struct {
	Cluster
	binary  string
	args    []string
	client  *http.Client
	command *exec.Cmd
	exited  chan struct{}
	killed  bool
}

func startAPIServer(o options, name, dir, etcdEndpoint string) (*apiServer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := writeCredentials(dir)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cluster := Cluster{
		Name:       name,
		Server:     "https://127.0.0.1:" + strconv.Itoa(port),
		Kubeconfig: filepath.Join(dir, "kubeconfig"),
		Token:      files.token,
		CAFile:     files.ca,
		LogFile:    filepath.Join(dir, "kube-apiserver.log"),
		AuditFile:  filepath.Join(dir, "audit.log"),
		EtcdPrefix: "/" + name,
	}
	if err := writeKubeconfig(cluster); err != nil {
		return nil, err
	}
	args := []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--cert-dir=" + dir,
		"--tls-cert-file=" + files.certificate,
		"--tls-private-key-file=" + files.key,
		"--etcd-servers=" + etcdEndpoint,
		"--etcd-prefix=" + cluster.EtcdPrefix,
		"--service-account-key-file=" + files.serviceAccountKey,
		"--service-account-signing-key-file=" + files.serviceAccountKey,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC",
		"--token-auth-file=" + files.tokens,
		// Nothing creates the default ServiceAccounts, and without them this plugin refuses every Pod.
		"--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none",
		// As every cluster that runs a CNI plugin: forbidding privileged Pods is the policies' job.
		"--allow-privileged=true",
		"--profiling=false",
		// Who asked for what, line by line: tests count lists and look for what must never be asked for.
		"--audit-policy-file=" + files.auditPolicy,
		"--audit-log-path=" + cluster.AuditFile,
	}
	if o.tracingEndpoint != "" {
		config, err := writeTracingConfig(dir, o.tracingEndpoint)
		if err != nil {
			return nil, err
		}
		args = append(args, "--tracing-config-file="+config)
	}
	server := &apiServer{Cluster: cluster, binary: o.apiserver, args: args, client: files.client}
	return server, server.start()
}

// start runs the process, for the first time or again.
func (s *apiServer) start() error {
	log, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(s.binary, s.args...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = dieWithParent()
	if err := command.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	s.command, s.exited, s.killed = command, exited, false
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	return nil
}

// kill ends the process as a crash would, and waits for its end.
func (s *apiServer) kill() error {
	s.killed = true
	if err := s.command.Process.Kill(); err != nil {
		return err
	}
	<-s.exited
	return nil
}

// waitReady polls /readyz until it answers 200, ctx ends or the process exits.
func (s *apiServer) waitReady(ctx context.Context) error {
	for {
		if s.ready(ctx) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("not ready in time")
		case <-s.exited:
			return errors.New("kube-apiserver exited before it was ready")
		case <-time.After(pollInterval):
		}
	}
}

func (s *apiServer) ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Server+"/readyz", nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+s.Token)
	response, err := s.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// stopAll asks every server to stop, all at once, and kills what has not stopped within the grace.
func stopAll(servers []*apiServer) {
	var group sync.WaitGroup
	for _, server := range servers {
		group.Go(func() {
			_ = server.command.Process.Signal(syscall.SIGTERM)
			select {
			case <-server.exited:
			case <-time.After(stopGrace):
				_ = server.command.Process.Kill()
				<-server.exited
			}
		})
	}
	group.Wait()
}

// freePort returns a loopback port that was free a moment ago: kube-apiserver cannot report one that it chose itself.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func trustingClient(ca *x509.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	}
}

func writeTracingConfig(dir, endpoint string) (string, error) {
	path := filepath.Join(dir, "tracing.yaml")
	text := fmt.Sprintf("apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n"+
		"endpoint: %q\nsamplingRatePerMillion: 1000000\n", endpoint)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
