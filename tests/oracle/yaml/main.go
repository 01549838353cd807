package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// reads JSON strings, one per line; prints {"in":..., "out":... | "err":...}
func main() {
	sc := bufio.NewScanner(os.Stdin)
	sc.Buffer(make([]byte, 1<<20), 1<<26)
	for sc.Scan() {
		var in string
		if err := json.Unmarshal(sc.Bytes(), &in); err != nil {
			panic(err)
		}
		out, err := yaml.YAMLToJSON([]byte(in))
		row := map[string]any{"in": in}
		if err != nil {
			row["err"] = err.Error()
		} else {
			row["out"] = string(out)
		}
		b, _ := json.Marshal(row)
		fmt.Println(string(b))
	}
}
