// Command callers calls ReviewService.Review again and again and writes down each answer with its latency.
//
// It stands for the API servers of a fleet, which are machines of their own: `fleetgate loadtest`, in Python, takes nearly
// as much of a core per call as the service that it measures, and on the machine of a benchmark both share the cores. The
// frames of gRPC are its own, on the standard library's HTTP/2.
//
// Latency counts from when a call is due, whatever became of those before it (--rate), or from when it is made
// (--concurrency). Messages are bytes: what answers say is for who reads the file.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

type options struct {
	address, ca, certificate, key string
	payloads, answers             string
	rate                          float64
	concurrency                   int
	seconds, warmup               time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "", "host:port of the service (required)")
	flag.StringVar(&o.ca, "ca", "", "file with the service's CA (required)")
	flag.StringVar(&o.certificate, "cert", "", "file with the callers' certificate (required)")
	flag.StringVar(&o.key, "key", "", "file with its key (required)")
	flag.StringVar(&o.payloads, "payloads", "", "file of requests, each after its length in 4 bytes, big end first (required)")
	flag.StringVar(&o.answers, "answers", "", "file for the answers (required)")
	flag.Float64Var(&o.rate, "rate", 0, "calls per second, each when it is due")
	flag.IntVar(&o.concurrency, "concurrency", 0, "callers that each ask again once they are answered")
	flag.DurationVar(&o.seconds, "duration", 10*time.Second, "how long, after the warm-up")
	flag.DurationVar(&o.warmup, "warmup", 2*time.Second, "how long calls do not count")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "callers:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if (o.rate > 0) == (o.concurrency > 0) {
		return errors.New("say either --rate or --concurrency")
	}
	payloads, err := readPayloads(o.payloads)
	if err != nil {
		return err
	}
	client, err := newClient(o)
	if err != nil {
		return err
	}
	// The first call connects. That it is answered is seen before any counts.
	if first := client.call(payloads[0]); first.err != nil {
		return fmt.Errorf("%s: %w", o.address, first.err)
	}
	pace := newPace(client, payloads, o.warmup, o.seconds)
	if o.rate > 0 {
		pace.openLoop(o.rate)
	} else {
		pace.closedLoop(o.concurrency)
	}
	return writeAnswers(o.answers, pace.answers)
}

func readPayloads(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var payloads [][]byte
	for len(data) > 0 {
		if len(data) < 4 || len(data)-4 < int(binary.BigEndian.Uint32(data)) {
			return nil, fmt.Errorf("%s: ends within a request", path)
		}
		end := 4 + int(binary.BigEndian.Uint32(data))
		payloads = append(payloads, data[4:end])
		data = data[end:]
	}
	if len(payloads) == 0 {
		return nil, fmt.Errorf("%s: holds no request", path)
	}
	return payloads, nil
}

// writeAnswers writes per counted call: nanoseconds (8 bytes), gRPC's status, -1 without one (4), length (4), message; big
// ends first.
func writeAnswers(path string, answers []answer) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	for _, one := range answers {
		head := binary.BigEndian.AppendUint64(nil, uint64(one.latency.Nanoseconds()))
		head = binary.BigEndian.AppendUint32(head, uint32(int32(one.status)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(one.message)))
		// An error stays with the writer until it is flushed.
		_, _ = out.Write(head)
		_, _ = out.Write(one.message)
	}
	return errors.Join(out.Flush(), file.Close())
}
