package main

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1beta1"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// crd answers {"crd": …} to a ConstraintTemplate: the CustomResourceDefinition that Gatekeeper's template controller
// creates for it (pkg/controller/constrainttemplate, generateCRD), or {"error": …}. The template is given as the API
// server hands it out at v1beta1, the version that the controller watches: legacySchema is in it.
func crd(raw json.RawMessage) (map[string]any, error) {
	var request struct {
		Template json.RawMessage `json:"template"`
	}
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	versioned := &v1beta1.ConstraintTemplate{}
	if err := json.Unmarshal(request.Template, versioned); err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	w, err := newWorld()
	if err != nil {
		return nil, err
	}
	template := &templates.ConstraintTemplate{}
	if err := scheme.Convert(versioned, template, nil); err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	proposed, err := w.client.CreateCRD(context.Background(), template)
	if err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	made := &apiextensionsv1.CustomResourceDefinition{}
	if err := crdScheme.Convert(proposed, made, nil); err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	if err := controllerutil.SetControllerReference(versioned, made, crdScheme); err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	made.TypeMeta = metav1.TypeMeta{APIVersion: apiextensionsv1.SchemeGroupVersion.String(), Kind: "CustomResourceDefinition"}
	return map[string]any{"crd": made}, nil
}

var crdScheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{apiextensionsv1.AddToScheme, v1beta1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}()
