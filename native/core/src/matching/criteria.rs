//! One function per criterion of a match block. A criterion that the block does not state admits everything.

use serde_json::{Value as Json, json};

use super::{Facts, Glob, Matcher, Scope, Selector, Source, SourceCriterion, Subject};

/// A criterion of a match block.
#[derive(Debug)]
pub(super) struct Criterion {
    /// Its field in the block.
    pub(super) field: &'static str,
    /// Whether it admits an object, or why that cannot be said.
    pub(super) admits: fn(&Matcher, &Facts<'_>, &Subject<'_>) -> Result<bool, String>,
    /// What it looks at.
    pub(super) found: fn(&Facts<'_>, &Subject<'_>) -> Json,
}

/// Gatekeeper's order, which decides whether an error shows or an earlier "no" hides it.
pub(super) static IN_ORDER: [Criterion; 8] = [
    Criterion { field: "kinds", admits: kinds, found: |facts, _| json!({"apiGroup": facts.group, "kind": facts.kind}) },
    Criterion {
        field: "scope",
        admits: scope,
        found: |facts, subject| json!(if is_namespaced(facts, subject) { "Namespaced" } else { "Cluster" }),
    },
    Criterion {
        field: "namespaces",
        admits: namespaces,
        found: |facts, subject| json!(namespace_name(facts, subject)),
    },
    Criterion {
        field: "excludedNamespaces",
        admits: excluded_namespaces,
        found: |facts, subject| json!(namespace_name(facts, subject)),
    },
    Criterion { field: "labelSelector", admits: label_selector, found: |facts, _| facts.labels.to_json() },
    Criterion { field: "namespaceSelector", admits: namespace_selector, found: namespace_labels },
    Criterion {
        field: "name",
        admits: name,
        found: |facts, _| json!(if facts.name.is_empty() { facts.generate_name } else { facts.name }),
    },
    Criterion { field: "source", admits: source, found: |_, subject| json!(format!("{:?}", subject.source)) },
];

fn kinds(matcher: &Matcher, facts: &Facts<'_>, _: &Subject<'_>) -> Result<bool, String> {
    Ok(matcher.selects_kind(facts.group, facts.kind))
}

fn scope(matcher: &Matcher, facts: &Facts<'_>, subject: &Subject<'_>) -> Result<bool, String> {
    Ok(match matcher.scope {
        Scope::Any => true,
        Scope::Cluster => !is_namespaced(facts, subject),
        Scope::Namespaced => is_namespaced(facts, subject),
    })
}

fn is_namespaced(facts: &Facts<'_>, subject: &Subject<'_>) -> bool {
    !facts.is_namespace() && (subject.namespace.is_some() || !declared_namespace(facts, subject).is_empty())
}

fn namespaces(matcher: &Matcher, facts: &Facts<'_>, subject: &Subject<'_>) -> Result<bool, String> {
    Ok(matcher.namespaces.is_empty() || namespace_name(facts, subject).is_none_or(|n| any(&matcher.namespaces, n)))
}

fn excluded_namespaces(matcher: &Matcher, facts: &Facts<'_>, subject: &Subject<'_>) -> Result<bool, String> {
    Ok(!namespace_name(facts, subject).is_some_and(|n| any(&matcher.excluded_namespaces, n)))
}

fn label_selector(matcher: &Matcher, facts: &Facts<'_>, _: &Subject<'_>) -> Result<bool, String> {
    Ok(matcher.label_selector.as_ref().is_none_or(|selector| selector.matches(&facts.labels)))
}

fn namespace_selector(matcher: &Matcher, facts: &Facts<'_>, subject: &Subject<'_>) -> Result<bool, String> {
    let Some(selector) = &matcher.namespace_selector else { return Ok(true) };
    if facts.is_namespace() {
        return Ok(selector.matches(&facts.labels));
    }
    match &subject.namespace {
        Some(namespace) => Ok(Selector::matches(selector, &namespace.labels)),
        None if declared_namespace(facts, subject).is_empty() => Ok(true),
        None => Err("namespace selector for namespace-scoped object but missing Namespace".to_owned()),
    }
}

fn namespace_labels(facts: &Facts<'_>, subject: &Subject<'_>) -> Json {
    let of_namespace = if facts.is_namespace() { Some(facts) } else { subject.namespace.as_ref() };
    of_namespace.map_or(Json::Null, |namespace| namespace.labels.to_json())
}

fn name(matcher: &Matcher, facts: &Facts<'_>, _: &Subject<'_>) -> Result<bool, String> {
    Ok(matcher
        .name
        .as_ref()
        .is_none_or(|glob| glob.matches(facts.name) || glob.matches_generate_name(facts.generate_name)))
}

fn source(matcher: &Matcher, facts: &Facts<'_>, subject: &Subject<'_>) -> Result<bool, String> {
    match matcher.source {
        SourceCriterion::All => Ok(true),
        SourceCriterion::Only(_) if subject.source == Source::Unspecified => {
            Err(format!("source field not specified for resource {}", facts.name))
        }
        SourceCriterion::Only(wanted) => Ok(wanted == subject.source),
    }
}

/// The name that namespace globs are compared with: none for a cluster-scoped object that is not a Namespace, which no
/// glob can then exclude.
fn namespace_name<'a>(facts: &Facts<'a>, subject: &Subject<'a>) -> Option<&'a str> {
    if facts.is_namespace() {
        return Some(facts.name);
    }
    match &subject.namespace {
        Some(namespace) => Some(namespace.name),
        None => Some(declared_namespace(facts, subject)).filter(|name| !name.is_empty()),
    }
}

/// The namespace's name without the Namespace: an object that is not stored (`pods/exec`) has it in the request only.
const fn declared_namespace<'a>(facts: &Facts<'a>, subject: &Subject<'a>) -> &'a str {
    if facts.namespace.is_empty() { subject.request_namespace } else { facts.namespace }
}

fn any(globs: &[Glob], candidate: &str) -> bool {
    globs.iter().any(|glob| glob.matches(candidate))
}
