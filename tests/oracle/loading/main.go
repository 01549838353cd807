// Reads JSON lines {"docs":[yaml,...]}: adds templates then constraints; prints the error of each.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/open-policy-agent/frameworks/constraint/pkg/apis"
	cc "github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/reader"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

func main() {
	scheme := runtime.NewScheme()
	if err := apis.AddToScheme(scheme); err != nil {
		panic(err)
	}
	sc := bufio.NewScanner(os.Stdin)
	sc.Buffer(make([]byte, 1<<20), 1<<26)
	for sc.Scan() {
		var in struct {
			Name string
			Docs []string
		}
		if err := json.Unmarshal(sc.Bytes(), &in); err != nil {
			panic(err)
		}
		d, err := rego.New()
		if err != nil {
			panic(err)
		}
		c, err := cc.NewClient(cc.Targets(&target.K8sValidationTarget{}), cc.Driver(d), cc.EnforcementPoints(util.GatorEnforcementPoint))
		if err != nil {
			panic(err)
		}
		var errs []string
		for _, doc := range in.Docs {
			func() {
				defer func() {
					if r := recover(); r != nil {
						errs = append(errs, fmt.Sprint("PANIC ", r))
					}
				}()
				u := &unstructured.Unstructured{}
				if err := yaml.Unmarshal([]byte(doc), u); err != nil {
					errs = append(errs, "yaml: "+err.Error())
					return
				}
				if reader.IsTemplate(u) {
					t, err := reader.ToTemplate(scheme, u)
					if err != nil {
						errs = append(errs, "convert: "+err.Error())
						return
					}
					_, err = c.AddTemplate(context.Background(), t)
					if err != nil {
						errs = append(errs, "template: "+err.Error())
						return
					}
				} else {
					_, err := c.AddConstraint(context.Background(), u)
					if err != nil {
						errs = append(errs, "constraint: "+err.Error())
						return
					}
				}
				errs = append(errs, "ok")
			}()
		}
		b, _ := json.Marshal(map[string]any{"name": in.Name, "errs": errs})
		fmt.Println(string(b))
	}
}
