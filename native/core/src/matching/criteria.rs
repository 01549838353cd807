//! One function per criterion of a match block. A criterion that the block does not state admits everything.

use super::{Facts, Glob, Matcher, Scope, Selector, Source, SourceCriterion, Subject};

type Criterion = fn(&Matcher, &Facts<'_>, &Subject<'_>) -> Result<bool, String>;

/// Gatekeeper's order, which decides whether an error shows or an earlier "no" hides it.
pub(super) const IN_ORDER: [Criterion; 8] =
    [kinds, scope, namespaces, excluded_namespaces, label_selector, namespace_selector, name, source];

fn kinds(matcher: &Matcher, facts: &Facts<'_>, _: &Subject<'_>) -> Result<bool, String> {
    Ok(matcher.selects_kind(facts.group, facts.kind))
}

fn scope(matcher: &Matcher, facts: &Facts<'_>, subject: &Subject<'_>) -> Result<bool, String> {
    let has_namespace = subject.namespace.is_some() || !declared_namespace(facts, subject).is_empty();
    Ok(match matcher.scope {
        Scope::Any => true,
        Scope::Cluster => facts.is_namespace() || !has_namespace,
        Scope::Namespaced => !facts.is_namespace() && has_namespace,
    })
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
