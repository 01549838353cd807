//! From bundles to a [`PolicySet`]: names unique across bundles, every Constraint bound to its template.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::bundle::{Bundle, Compiled};
use super::digest::digest;
use super::index::Index;
use super::set::{PolicySet, PublishedConstraint, PublishedTemplate};
use crate::config::{Config, SyncSet};
use crate::diagnostic::{Diagnostic, Location, code};
use crate::template::{self, Constraint, did_you_mean};
use crate::yaml::Document;

/// Puts bundles together. Of two documents of one name, that of the bundle `latest` is at fault.
///
/// # Errors
/// Every defect that shows only between documents, and those of Constraints, which need their template to be judged.
pub(super) fn assemble(
    number: u64,
    bundles: &BTreeMap<Arc<str>, Arc<Bundle>>,
    latest: &str,
) -> Result<PolicySet, Vec<Diagnostic>> {
    let mut defects = Vec::new();
    let mut in_order: Vec<&Bundle> = bundles.values().map(Arc::as_ref).collect();
    in_order.sort_by_key(|bundle| &*bundle.name == latest);
    let templates = unique_templates(&in_order, &mut defects);
    let constraints = bound_constraints(&in_order, &templates, &mut defects);
    let configuration = Configuration::unique(&in_order, &mut defects);
    if !defects.is_empty() {
        return Err(defects);
    }
    let templates = templates.into_values().collect();
    Ok(publish(number, bundles.keys().cloned().collect(), templates, constraints, configuration))
}

/// No policies.
pub(super) fn empty() -> PolicySet {
    publish(0, Vec::new(), Vec::new(), BTreeMap::new(), Configuration::default())
}

type Named = BTreeMap<(Arc<str>, Arc<str>), Arc<Constraint>>;

/// What bundles hold beside policies.
#[derive(Default)]
struct Configuration {
    config: Option<Arc<Config>>,
    sync_sets: BTreeMap<Arc<str>, Arc<SyncSet>>,
}

impl Configuration {
    fn unique(bundles: &[&Bundle], defects: &mut Vec<Diagnostic>) -> Self {
        let mut configuration = Self::default();
        for config in bundles.iter().flat_map(|bundle| &bundle.configs) {
            match &configuration.config {
                Some(first) => {
                    let here = (&config.origin, &config.bundle);
                    defects.push(duplicate("Config", here, (&first.origin, &first.bundle)));
                }
                None => configuration.config = Some(config.clone()),
            }
        }
        for sync_set in bundles.iter().flat_map(|bundle| &bundle.sync_sets) {
            match configuration.sync_sets.get(&sync_set.name) {
                Some(first) => {
                    let what = format!("SyncSet {:?}", sync_set.name);
                    let here = (&sync_set.origin, &sync_set.bundle);
                    defects.push(duplicate(&what, here, (&first.origin, &first.bundle)));
                }
                None => drop(configuration.sync_sets.insert(sync_set.name.clone(), sync_set.clone())),
            }
        }
        configuration
    }
}

fn publish(
    number: u64,
    bundles: Vec<Arc<str>>,
    mut templates: Vec<&Compiled>,
    constraints: Named,
    configuration: Configuration,
) -> PolicySet {
    templates.sort_by(|one, other| one.template.kind.cmp(&other.template.kind));
    let mut published: Vec<PublishedTemplate> = Vec::with_capacity(templates.len());
    let mut bound: Vec<PublishedConstraint> = Vec::with_capacity(constraints.len());
    let mut rest = constraints.into_values().peekable();
    for (position, compiled) in templates.into_iter().enumerate() {
        let first = bound.len();
        // Both lists are sorted by kind, and every Constraint has a template.
        while let Some(constraint) = rest.next_if(|constraint| constraint.kind == compiled.template.kind) {
            bound.push(PublishedConstraint { constraint, template: position });
        }
        published.push(PublishedTemplate {
            template: compiled.template.clone(),
            program: compiled.program.clone(),
            constraints: first..bound.len(),
        });
    }
    let documents = published.iter().map(|one| &one.template.document);
    let Configuration { config, sync_sets } = configuration;
    let sync_sets: Vec<Arc<SyncSet>> = sync_sets.into_values().collect();
    let constraint_documents = bound.iter().map(|one| &one.constraint.document);
    let configuration_documents =
        config.iter().map(|config| &config.document).chain(sync_sets.iter().map(|sync_set| &sync_set.document));
    let digest = digest(documents.chain(constraint_documents).chain(configuration_documents));
    let index = Index::new(bound.iter().map(|one| &*one.constraint));
    let mut synced: BTreeSet<_> = sync_sets.iter().flat_map(|sync_set| sync_set.kinds.iter().cloned()).collect();
    synced.extend(config.iter().flat_map(|config| config.sync_only.iter().cloned()));
    PolicySet {
        number,
        digest,
        bundles,
        templates: published,
        constraints: bound,
        index,
        excluder: config.as_ref().map(|config| config.excluder.clone()).unwrap_or_default(),
        config,
        sync_sets,
        synced,
    }
}

/// Templates by name, which is the lower case of their kind.
fn unique_templates<'set>(bundles: &[&'set Bundle], defects: &mut Vec<Diagnostic>) -> BTreeMap<String, &'set Compiled> {
    let mut templates: BTreeMap<String, &Compiled> = BTreeMap::new();
    for compiled in bundles.iter().flat_map(|bundle| &bundle.templates) {
        let (template, name) = (&compiled.template, compiled.template.kind.to_lowercase());
        match templates.get(&name) {
            Some(first) => {
                let what = format!("ConstraintTemplate {name:?}");
                defects.push(duplicate(
                    &what,
                    (&template.origin, &template.bundle),
                    (&first.template.origin, &first.template.bundle),
                ));
            }
            None => drop(templates.insert(name, compiled)),
        }
    }
    templates
}

fn bound_constraints(
    bundles: &[&Bundle],
    templates: &BTreeMap<String, &Compiled>,
    defects: &mut Vec<Diagnostic>,
) -> Named {
    let broken = |name: &str| bundles.iter().any(|bundle| bundle.broken.contains(name));
    let mut constraints = Named::new();
    let documents = bundles.iter().flat_map(|bundle| bundle.constraints.iter().map(|one| (&bundle.name, one)));
    for (bundle, document) in documents {
        let kind = document.value.get("kind").and_then(Value::as_str).unwrap_or_default();
        let name = kind.to_lowercase();
        let Some(compiled) = templates.get(&name) else {
            if !broken(&name) {
                defects.push(without_template(document, kind, templates));
            }
            continue;
        };
        match template::read_constraint(document, &compiled.template, bundle) {
            Ok(constraint) => {
                let key = (constraint.kind.clone(), constraint.name.clone());
                match constraints.get(&key) {
                    Some(first) => {
                        let what = format!("Constraint {:?} of kind {kind}", constraint.name);
                        let here = (&constraint.origin, &constraint.bundle);
                        defects.push(duplicate(&what, here, (&first.origin, &first.bundle)));
                    }
                    None => drop(constraints.insert(key, Arc::new(constraint))),
                }
            }
            Err(found) => defects.extend(found),
        }
    }
    constraints
}

fn without_template(document: &Document, kind: &str, templates: &BTreeMap<String, &Compiled>) -> Diagnostic {
    let message = format!("missing ConstraintTemplate: template {:?} not found", kind.to_lowercase());
    let known = templates.values().map(|compiled| &*compiled.template.kind);
    let diagnostic = document.diagnostic(code::TEMPLATE_NOT_FOUND, "kind", message);
    Diagnostic { hint: did_you_mean(kind, known), ..diagnostic }
}

fn duplicate(what: &str, here: (&Location, &Arc<str>), first: (&Location, &Arc<str>)) -> Diagnostic {
    let message = format!("{what} of bundle {:?} is already defined at {} in bundle {:?}", here.1, first.0, first.1);
    Diagnostic::new(code::DUPLICATE, message).at(here.0.clone())
}
