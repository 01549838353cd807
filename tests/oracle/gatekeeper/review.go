package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	"github.com/open-policy-agent/frameworks/constraint/pkg/apis"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/frameworks/constraint/pkg/types"
	configv1alpha1 "github.com/open-policy-agent/gatekeeper/v3/apis/config/v1alpha1"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/controller/config/process"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/reader"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := apis.AddToScheme(s); err != nil {
		panic(err)
	}
	return s
}()

// reviewRequest is a world and the reviews to make in it.
type reviewRequest struct {
	Templates   []*unstructured.Unstructured `json:"templates"`
	Constraints []*unstructured.Unstructured `json:"constraints"`
	Inventory   []*unstructured.Unstructured `json:"inventory"`
	Config      *configv1alpha1.Config       `json:"config"`
	Reviews     []subject                    `json:"reviews"`
}

// subject is one thing to review: an admission request, as the webhook reviews it, or an object, as audit and gator do.
type subject struct {
	Request          *admissionv1.AdmissionRequest `json:"request"`
	Object           json.RawMessage               `json:"object"`
	Operation        admissionv1.Operation         `json:"operation"`
	Namespace        *corev1.Namespace             `json:"namespace"`
	Source           mutationtypes.SourceType      `json:"source"`
	EnforcementPoint string                        `json:"enforcement_point"`
}

// result is one violation.
type result struct {
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Action  string   `json:"action"`
	Scoped  []string `json:"scoped,omitempty"`
	Msg     string   `json:"msg"`
	Details any      `json:"details"`
}

// problem is why an object was refused; Code is Gatekeeper's status code of templates.
type problem struct {
	Name    string `json:"name"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

// world is a Gatekeeper client with policies and data.
type world struct {
	client           *client.Client
	excluder         *process.Excluder
	templateErrors   []problem
	constraintErrors []problem
	inventoryErrors  []problem
}

func review(raw json.RawMessage) (map[string]any, error) {
	var request reviewRequest
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	ctx := context.Background()
	w, err := newWorld()
	if err != nil {
		return nil, err
	}
	w.load(ctx, &request)
	answers := make([]map[string]any, 0, len(request.Reviews))
	for i := range request.Reviews {
		answers = append(answers, w.review(ctx, &request.Reviews[i]))
	}
	return map[string]any{
		"template_errors":   w.templateErrors,
		"constraint_errors": w.constraintErrors,
		"inventory_errors":  w.inventoryErrors,
		"reviews":           answers,
	}, nil
}

func newWorld() (*world, error) {
	driver, err := rego.New(rego.Externs("inventory"))
	if err != nil {
		return nil, err
	}
	c, err := client.NewClient(
		client.Targets(&target.K8sValidationTarget{}),
		client.Driver(driver),
		client.EnforcementPoints(util.WebhookEnforcementPoint, util.AuditEnforcementPoint, util.GatorEnforcementPoint),
	)
	if err != nil {
		return nil, err
	}
	return &world{client: c, excluder: process.New()}, nil
}

// load adds policies and data as Gatekeeper's controllers do; what is refused is left out.
func (w *world) load(ctx context.Context, request *reviewRequest) {
	if request.Config != nil {
		w.excluder.Add(request.Config.Spec.Match)
	}
	for _, object := range request.Templates {
		if code, err := w.addTemplate(ctx, object); err != nil {
			w.templateErrors = append(w.templateErrors, problem{object.GetName(), code, err.Error()})
		}
	}
	for _, object := range request.Constraints {
		if err := w.addConstraint(ctx, object); err != nil {
			name := object.GetKind() + "/" + object.GetName()
			w.constraintErrors = append(w.constraintErrors, problem{Name: name, Message: err.Error()})
		}
	}
	for _, object := range request.Inventory {
		excluded, err := w.excluder.IsNamespaceExcluded(process.Sync, object)
		if err == nil && excluded {
			continue
		}
		if err == nil {
			_, err = w.client.AddData(ctx, object)
		}
		if err != nil {
			w.inventoryErrors = append(w.inventoryErrors, problem{Name: object.GetName(), Message: err.Error()})
		}
	}
}

func (w *world) addTemplate(ctx context.Context, object *unstructured.Unstructured) (string, error) {
	template, err := reader.ToTemplate(scheme, object)
	if err != nil {
		return "conversion_error", err
	}
	if err := validOperations(template); err != nil {
		return "create_error", err
	}
	if _, err := w.client.CreateCRD(ctx, template); err != nil {
		return "create_error", err
	}
	if _, err := w.client.AddTemplate(ctx, template); err != nil {
		return "ingest_error", err
	}
	return "", nil
}

// validOperations is a check of the webhook on Gatekeeper's own resources, which exports none.
func validOperations(template *templates.ConstraintTemplate) error {
	for _, target := range template.Spec.Targets {
		if len(target.Operations) > 1 && slices.Contains(target.Operations, "*") {
			return errors.New("if '*' is present, must not specify other operations")
		}
	}
	return nil
}

// addConstraint refuses what the webhook on Gatekeeper's own resources refuses.
func (w *world) addConstraint(ctx context.Context, object *unstructured.Unstructured) error {
	if err := w.client.ValidateConstraint(object); err != nil {
		return err
	}
	action, _, err := unstructured.NestedString(object.Object, "spec", "enforcementAction")
	if err != nil {
		return err
	}
	if action != "" {
		if err := util.ValidateEnforcementAction(util.EnforcementAction(action), object.Object); err != nil {
			return err
		}
	}
	_, err = w.client.AddConstraint(ctx, object)
	return err
}

func (w *world) review(ctx context.Context, s *subject) map[string]any {
	subject, err := s.toReview()
	if err != nil {
		return map[string]any{"undecodable": err.Error()}
	}
	// What cannot be read cannot be excluded: the webhook logs that and goes on.
	if excluded, err := w.excluded(s); err == nil && excluded {
		return map[string]any{"excluded": true}
	}
	options := []reviews.ReviewOpt{reviews.EnforcementPoint(s.EnforcementPoint)}
	// The webhook and audit tell templates about the Namespace object; gator does not.
	if s.EnforcementPoint != util.GatorEnforcementPoint {
		if option := util.NamespaceReviewOpt(s.namespace(), logr.Discard()); option != nil {
			options = append(options, option)
		}
	}
	responses, err := w.client.Review(ctx, subject, options...)
	answer := map[string]any{"results": results(responses)}
	if err != nil {
		answer["review_error"] = err.Error()
	}
	return answer
}

// excluded says whether Config keeps the subject from the webhook; other enforcement points exclude on their own.
func (w *world) excluded(s *subject) (bool, error) {
	if s.Request == nil || s.EnforcementPoint != util.WebhookEnforcementPoint {
		return false, nil
	}
	raw := s.Request.Object.Raw
	if s.Request.Operation == admissionv1.Delete {
		raw = s.Request.OldObject.Raw
	}
	if raw == nil {
		return false, nil
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, object); err != nil {
		return false, err
	}
	object.SetNamespace(s.Request.Namespace)
	return w.excluder.IsNamespaceExcluded(process.Webhook, object)
}

// namespace is the Namespace to review with: the webhook looks none up for a Namespace.
func (s *subject) namespace() *corev1.Namespace {
	if s.isOfNamespace() {
		return nil
	}
	return s.Namespace
}

func (s *subject) isOfNamespace() bool {
	return s.Request != nil && s.Request.Kind.Kind == "Namespace" && s.Request.Kind.Group == ""
}

func (s *subject) toReview() (any, error) {
	switch {
	case s.Request != nil && s.Object != nil, s.Request == nil && s.Object == nil:
		return nil, errors.New("a review is of a request or of an object")
	case s.Request != nil:
		request := *s.Request
		namespace := s.namespace()
		if s.isOfNamespace() {
			request.Namespace = ""
		}
		return &target.AugmentedReview{
			AdmissionRequest: &request,
			Namespace:        namespace,
			Source:           s.Source,
			IsAdmission:      true,
		}, nil
	default:
		object := unstructured.Unstructured{}
		if err := json.Unmarshal(s.Object, &object); err != nil {
			return nil, err
		}
		return target.AugmentedUnstructured{
			Object:    object,
			Namespace: s.Namespace,
			Operation: s.Operation,
			Source:    s.Source,
		}, nil
	}
}

func results(responses *types.Responses) []result {
	list := []result{}
	if responses == nil {
		return list
	}
	for _, response := range responses.ByTarget {
		for _, r := range response.Results {
			list = append(list, result{
				Kind:    r.Constraint.GetKind(),
				Name:    r.Constraint.GetName(),
				Action:  r.EnforcementAction,
				Scoped:  r.ScopedEnforcementActions,
				Msg:     r.Msg,
				Details: r.Metadata["details"],
			})
		}
	}
	return list
}

// matchRequest is a match block and a subject.
type matchRequest struct {
	Match   map[string]any `json:"match"`
	Subject subject        `json:"subject"`
}

// match answers {"matches": bool} or {"error": …}.
func match(raw json.RawMessage) (map[string]any, error) {
	var request matchRequest
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	constraint := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "constraints.gatekeeper.sh/v1beta1",
		"kind":       "Any",
		"metadata":   map[string]any{"name": "any"},
		"spec":       map[string]any{},
	}}
	if request.Match != nil {
		if err := unstructured.SetNestedMap(constraint.Object, request.Match, "spec", "match"); err != nil {
			return nil, err
		}
	}
	k8s := &target.K8sValidationTarget{}
	if err := k8s.ValidateConstraint(constraint); err != nil {
		return map[string]any{"invalid": err.Error()}, nil
	}
	matcher, err := k8s.ToMatcher(constraint)
	if err != nil {
		return map[string]any{"invalid": err.Error()}, nil
	}
	subject, err := request.Subject.toReview()
	if err != nil {
		return map[string]any{"undecodable": err.Error()}, nil
	}
	handled, review, err := k8s.HandleReview(subject)
	if err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	if !handled {
		return nil, fmt.Errorf("Gatekeeper does not handle %T", subject)
	}
	matches, err := matcher.Match(review)
	if err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	return map[string]any{"matches": matches}, nil
}
