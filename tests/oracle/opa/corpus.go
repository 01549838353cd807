package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/util"
)

func unmarshal(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(into)
}

// languageCases answers OPA's own language cases below dir, each with its file as a path below dir.
func languageCases(dir string) (map[string]any, error) {
	type located struct {
		File string `json:"file"`
		cases.TestCase
	}
	set, err := cases.Load(dir)
	if err != nil {
		return nil, err
	}
	list := make([]located, 0, len(set.Cases))
	for _, c := range set.Cases {
		file, err := filepath.Rel(dir, c.Filename)
		if err != nil {
			return nil, err
		}
		list = append(list, located{filepath.ToSlash(file), c})
	}
	return map[string]any{"cases": list}, nil
}

// templates answers the Rego of every ConstraintTemplate in a file called template.yaml below dir.
func templates(dir string) (map[string]any, error) {
	type source struct {
		Rego    string   `json:"rego"`
		Version string   `json:"version"`
		Libs    []string `json:"libs"`
	}
	type template struct {
		Spec struct {
			Targets []struct {
				Rego string   `json:"rego"`
				Libs []string `json:"libs"`
				Code []struct {
					Engine string `json:"engine"`
					Source source `json:"source"`
				} `json:"code"`
			} `json:"targets"`
		} `json:"spec"`
	}
	list := []map[string]any{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "template.yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var t template
		if err := util.Unmarshal(text, &t); err != nil {
			return err
		}
		name := filepath.Base(filepath.Dir(path))
		for _, target := range t.Spec.Targets {
			found := source{Rego: target.Rego, Libs: target.Libs}
			for _, code := range target.Code {
				if code.Engine == "Rego" && found.Rego == "" {
					found = code.Source
				}
			}
			if found.Rego != "" {
				list = append(list, map[string]any{"name": name, "source": found})
			}
		}
		return nil
	})
	return map[string]any{"templates": list}, err
}
