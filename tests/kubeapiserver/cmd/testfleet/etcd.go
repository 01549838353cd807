package main

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

const etcdStartTimeout = 30 * time.Second

type etcd struct {
	*embed.Etcd
	endpoint string
}

// startEtcd runs a single etcd member in this process, on free loopback ports, without fsync: its data do not outlive
// the tests.
func startEtcd(dir string) (*etcd, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	anyPort := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	// Its gateway dials the port as it is written here.
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	client := url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port)}
	cfg := embed.NewConfig()
	cfg.Name = "testfleet"
	cfg.Dir = filepath.Join(dir, "data")
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{anyPort}, []url.URL{anyPort}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{filepath.Join(dir, "etcd.log")}
	cfg.UnsafeNoFsync = true
	// Tests compact the history through it.
	cfg.EnableGRPCGateway = true

	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return &etcd{Etcd: server, endpoint: "http://" + server.Clients[0].Addr().String()}, nil
	case err := <-server.Err():
		return nil, err
	case <-time.After(etcdStartTimeout):
		server.Close()
		return nil, errors.New("not ready within " + etcdStartTimeout.String())
	}
}
