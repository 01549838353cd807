package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// token is what every client has to send: who may read is not what is measured, that it is sent is.
const token = "listwatch"

// newCertificate makes one for loopback; gives its authority in PEM too.
func newCertificate() (tls.Certificate, []byte, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	authority := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "listwatch"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	serving := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:    authority.NotBefore,
		NotAfter:     authority.NotAfter,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	root, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, serving, authority, key.Public(), authorityKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key}, ca, nil
}

// writeKubeconfig writes one with a context for each cluster.
func writeKubeconfig(path string, fleet []*cluster, ca []byte) error {
	var clusters, contexts []any
	for _, each := range fleet {
		server := map[string]any{"server": each.url, "certificate-authority-data": ca}
		clusters = append(clusters, map[string]any{"name": each.name, "cluster": server})
		context := map[string]any{"cluster": each.name, "user": "reader"}
		contexts = append(contexts, map[string]any{"name": each.name, "context": context})
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters":   clusters,
		"users":      []any{map[string]any{"name": "reader", "user": map[string]any{"token": token}}},
		"contexts":   contexts,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
