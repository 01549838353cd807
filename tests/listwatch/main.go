// Command listwatch answers list and watch for many clusters at once, from memory, and makes events at a rate.
//
// It stands for the API servers of a fleet where real ones cannot be had in such numbers or be made to change so fast. What
// it says on the wire is compared with a real API server's in tests/e2e/test_listwatch.py. Each cluster has a port of its
// own, and TLS. It takes its plan from a file of JSON (see plan.go), prints one line of JSON once everything listens, and
// stops when its standard input closes. Lines on standard input are commands (see commands.go).
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	plan := flag.String("plan", "", "file with the plan (required)")
	dir := flag.String("dir", "", "directory for the kubeconfig (required)")
	flag.Parse()
	if err := run(*plan, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "listwatch:", err)
		os.Exit(1)
	}
}

func run(planFile, dir string) error {
	plan, err := readPlan(planFile)
	if err != nil {
		return err
	}
	certificate, ca, err := newCertificate()
	if err != nil {
		return err
	}
	fleet := make([]*cluster, 0, len(plan.Clusters))
	for _, name := range plan.Clusters {
		cluster := newCluster(name, plan)
		if err := cluster.listen(certificate); err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		fleet = append(fleet, cluster)
	}
	kubeconfig := filepath.Join(dir, "kubeconfig.json")
	if err := writeKubeconfig(kubeconfig, fleet, ca); err != nil {
		return err
	}
	ready := map[string]any{"kubeconfig": kubeconfig, "clusters": plan.Clusters}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	return obey(os.Stdin, os.Stdout, fleet)
}
