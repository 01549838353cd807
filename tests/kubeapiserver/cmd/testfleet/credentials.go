package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// validity is longer than any test run; the keys are thrown away with the directory.
const validity = 24 * time.Hour

// auditPolicy notes every request once, when its answer begins.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- level: Metadata
`

// credentials are the files an API server starts from, and a client that trusts it.
type credentials struct {
	ca, certificate, key, serviceAccountKey, tokens, auditPolicy string
	token                                                        string
	client                                                       *http.Client
}

func writeCredentials(dir string) (*credentials, error) {
	files := &credentials{
		ca:                filepath.Join(dir, "ca.crt"),
		certificate:       filepath.Join(dir, "serving.crt"),
		key:               filepath.Join(dir, "serving.key"),
		serviceAccountKey: filepath.Join(dir, "service-account.key"),
		tokens:            filepath.Join(dir, "tokens.csv"),
		auditPolicy:       filepath.Join(dir, "audit-policy.yaml"),
		token:             rand.Text(),
	}
	ca, caKey, err := newCertificate(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "testfleet"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return nil, err
	}
	serving, servingKey, err := newCertificate(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    []string{"localhost", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey)
	if err != nil {
		return nil, err
	}
	accountKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	files.client = trustingClient(ca)
	for _, write := range []func() error{
		func() error { return writePEM(files.ca, "CERTIFICATE", ca.Raw) },
		func() error { return writePEM(files.certificate, "CERTIFICATE", serving.Raw) },
		func() error { return writeKey(files.key, servingKey) },
		func() error { return writeKey(files.serviceAccountKey, accountKey) },
		func() error {
			return os.WriteFile(files.auditPolicy, []byte(auditPolicy), 0o600)
		},
		func() error {
			return os.WriteFile(files.tokens, []byte(files.token+",admin,admin,system:masters\n"), 0o600)
		},
	} {
		if err := write(); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// newCertificate signs template with the parent, or with itself where there is none.
func newCertificate(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(validity)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes the administrator's kubeconfig as JSON, which is YAML too.
func writeKubeconfig(cluster Cluster) error {
	ca, err := os.ReadFile(cluster.CAFile)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": cluster.Name,
		"clusters": []any{map[string]any{
			"name":    cluster.Name,
			"cluster": map[string]any{"server": cluster.Server, "certificate-authority-data": ca},
		}},
		"users": []any{map[string]any{"name": "admin", "user": map[string]any{"token": cluster.Token}}},
		"contexts": []any{map[string]any{
			"name":    cluster.Name,
			"context": map[string]any{"cluster": cluster.Name, "user": "admin"},
		}},
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(cluster.Kubeconfig, text, 0o600)
}
