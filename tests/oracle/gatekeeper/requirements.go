package main

import (
	"encoding/json"
	"sort"

	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/cachemanager/parser"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// requirements answers {"requirements": [["group/version:Kind", …]…]} or {"error": …} to a requires-sync-data annotation.
func requirements(raw json.RawMessage) (map[string]any, error) {
	var request struct {
		Annotation string `json:"annotation"`
	}
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	read, err := parser.ReadSyncRequirements(&templates.ConstraintTemplate{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{parser.SyncAnnotationName: request.Annotation},
	}})
	if err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	sets := make([][]string, 0, len(read))
	for _, set := range read {
		kinds := make([]string, 0, len(set))
		for gvk := range set {
			kinds = append(kinds, gvk.Group+"/"+gvk.Version+":"+gvk.Kind)
		}
		sort.Strings(kinds)
		sets = append(sets, kinds)
	}
	return map[string]any{"requirements": sets}, nil
}
