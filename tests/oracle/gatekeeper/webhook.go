package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/open-policy-agent/gatekeeper/v3/pkg/expansion"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/webhook"
	corev1 "k8s.io/api/core/v1"
	k8serrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
)

// webhookRequest is a world and the HTTP bodies that its webhooks get.
type webhookRequest struct {
	reviewRequest
	Namespaces []*corev1.Namespace `json:"namespaces"`
	// Flags of Gatekeeper's command line, such as exempt-namespace. They hold for the process from then on.
	Flags map[string][]string `json:"flags"`
	Posts []post              `json:"posts"`
}

// post is one call: `/v1/admit` or `/v1/admitlabel`, and an AdmissionReview.
type post struct {
	Path string          `json:"path"`
	Body json.RawMessage `json:"body"`
}

// answerWebhook answers {"answers": […]}: the bodies of Gatekeeper's own handlers, byte for byte.
func answerWebhook(raw json.RawMessage) (map[string]any, error) {
	var request webhookRequest
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	for name, values := range request.Flags {
		for _, value := range values {
			if err := flag.Set(name, value); err != nil {
				return nil, err
			}
		}
	}
	w, err := newWorld()
	if err != nil {
		return nil, err
	}
	w.load(context.Background(), &request.reviewRequest)
	handlers, err := w.handlers(request.Namespaces)
	if err != nil {
		return nil, err
	}
	answers := make([]string, 0, len(request.Posts))
	for _, p := range request.Posts {
		handler, known := handlers[p.Path]
		if !known {
			return nil, fmt.Errorf("unknown path %q", p.Path)
		}
		call := httptest.NewRequest(http.MethodPost, p.Path, bytes.NewReader(p.Body))
		call.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, call)
		answers = append(answers, recorder.Body.String())
	}
	return map[string]any{
		"template_errors":   w.templateErrors,
		"constraint_errors": w.constraintErrors,
		"answers":           answers,
	}, nil
}

// handlers registers Gatekeeper's webhooks with a manager that only keeps them.
func (w *world) handlers(namespaces []*corev1.Namespace) (map[string]http.Handler, error) {
	kept := &keeper{handlers: map[string]http.Handler{}, cluster: &cluster{namespaces: namespaces}}
	system := mutation.NewSystem(mutation.SystemOpts{})
	dependencies := webhook.Dependencies{
		OpaClient:       w.client,
		ProcessExcluder: w.excluder,
		MutationSystem:  system,
		ExpansionSystem: expansion.NewSystem(system),
	}
	for _, add := range []func(manager.Manager, webhook.Dependencies) error{
		webhook.AddPolicyWebhook, webhook.AddLabelWebhook,
	} {
		if err := add(kept, dependencies); err != nil {
			return nil, err
		}
	}
	return kept.handlers, nil
}

// keeper is as much of a manager as the registration of webhooks asks for.
type keeper struct {
	manager.Manager
	ctrlwebhook.Server
	handlers map[string]http.Handler
	cluster  *cluster
}

func (k *keeper) GetConfig() *rest.Config              { return &rest.Config{Host: "http://127.0.0.1:1"} }
func (k *keeper) GetClient() client.Client             { return k.cluster }
func (k *keeper) GetAPIReader() client.Reader          { return k.cluster }
func (k *keeper) GetWebhookServer() ctrlwebhook.Server { return k }

func (k *keeper) Register(path string, handler http.Handler) { k.handlers[path] = handler }

// These two exist in both of the embedded interfaces; nobody calls them.
func (k *keeper) Start(context.Context) error { return nil }
func (k *keeper) NeedLeaderElection() bool    { return false }

// cluster has Namespaces and nothing else.
type cluster struct {
	client.Client
	namespaces []*corev1.Namespace
}

func (c *cluster) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if wanted, ok := object.(*corev1.Namespace); ok {
		for _, namespace := range c.namespaces {
			if namespace.Name == key.Name {
				*wanted = *namespace
				return nil
			}
		}
	}
	return k8serrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, key.Name)
}
