package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	method      = "/fleetgate.v1.ReviewService/Review"
	callTimeout = 10 * time.Second
)

// answer is what became of a call. Without a status of gRPC, status is -1 and err says why.
type answer struct {
	latency time.Duration
	status  int
	message []byte
	err     error
}

// client calls one method over one connection, as a gRPC channel does.
type client struct {
	url  string
	http *http.Client
}

func newClient(o options) (*client, error) {
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", o.ca)
	}
	pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
	}
	return &client{
		url:  "https://" + o.address + method,
		http: &http.Client{Transport: transport, Timeout: callTimeout},
	}, nil
}

func (c *client) call(payload []byte) answer {
	frame := make([]byte, 5, 5+len(payload))
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	request, err := http.NewRequest(http.MethodPost, c.url, bytes.NewReader(append(frame, payload...)))
	if err != nil {
		return answer{status: -1, err: err}
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	request.Header.Set("Grpc-Timeout", strconv.Itoa(int(callTimeout.Milliseconds()))+"m")
	response, err := c.http.Do(request)
	if err != nil {
		return answer{status: -1, err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{status: -1, err: err}
	}
	// An answer without a message carries its status in the headers.
	said := response.Trailer.Get("Grpc-Status")
	if said == "" {
		said = response.Header.Get("Grpc-Status")
	}
	status, err := strconv.Atoi(said)
	if err != nil {
		return answer{status: -1, err: fmt.Errorf("HTTP %s without a status of gRPC", response.Status)}
	}
	if status != 0 {
		return answer{status: status, err: fmt.Errorf("status %d: %s", status, response.Trailer.Get("Grpc-Message"))}
	}
	if len(body) < 5 || body[0] != 0 || len(body)-5 != int(binary.BigEndian.Uint32(body[1:5])) {
		return answer{status: -1, err: errors.New("not one message")}
	}
	return answer{message: body[5:]}
}
