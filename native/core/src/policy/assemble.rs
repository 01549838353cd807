//! From bundles to a [`PolicySet`]: names unique across bundles, every Constraint bound to its template.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::bundle::{Bundle, Compiled};
use super::digest::digest;
use super::index::Index;
use super::scope::Scope;
use super::set::{PolicySet, PublishedConstraint, PublishedTemplate};
use crate::compatibility::AutoSync;
use crate::config::{Config, SyncSet};
use crate::diagnostic::{Diagnostic, Location, code};
use crate::template::{self, Constraint, SyncRequirements, did_you_mean};
use crate::yaml::Document;

/// What bundles give together.
pub(super) struct Assembled {
    /// Everything that is right.
    pub(super) set: PolicySet,
    /// What was left out of it, and why.
    pub(super) defects: Vec<Defect>,
}

/// Something that was left out.
pub(super) struct Defect {
    /// The bundle that it stands in.
    pub(super) bundle: Arc<str>,
    pub(super) diagnostic: Diagnostic,
}

impl Defect {
    /// Its bundle and the path in it. Every diagnostic of a document says where it stands.
    pub(super) fn place(&self) -> (Arc<str>, Arc<str>) {
        let path = self.diagnostic.location.as_ref().map(|location| location.path.clone());
        (self.bundle.clone(), path.unwrap_or_default())
    }
}

/// Puts the bundles of a scope together. Of two documents of one name the one that comes later is at fault. Defects are all
/// those that show only between documents, and those of Constraints, which need their template to be judged.
pub(super) fn assemble<'a>(
    scope: &Scope,
    auto_sync: AutoSync,
    in_order: impl IntoIterator<Item = &'a Arc<Bundle>>,
) -> Assembled {
    let in_order: Vec<&Bundle> = in_order.into_iter().map(Arc::as_ref).collect();
    let mut defects = Vec::new();
    let templates = unique_templates(scope, &in_order, &mut defects);
    let constraints = bound_constraints(&in_order, &templates, &mut defects);
    let configuration = Configuration::unique(&in_order, &mut defects);
    let names: BTreeSet<Arc<str>> = in_order.iter().map(|bundle| bundle.name.clone()).collect();
    let names = names.into_iter().filter(|name| &**name != Bundle::RESOURCES).collect();
    let set = publish((scope, auto_sync), names, templates.into_values().collect(), constraints, configuration);
    Assembled { set, defects }
}

/// No policies.
pub(super) fn empty(scope: &Scope) -> PolicySet {
    publish((scope, AutoSync::Off), Vec::new(), Vec::new(), BTreeMap::new(), Configuration::default())
}

type Named = BTreeMap<(Arc<str>, Arc<str>), Arc<Constraint>>;

/// What bundles hold beside policies.
#[derive(Default)]
struct Configuration {
    config: Option<Arc<Config>>,
    sync_sets: BTreeMap<Arc<str>, Arc<SyncSet>>,
}

impl Configuration {
    fn unique(bundles: &[&Bundle], defects: &mut Vec<Defect>) -> Self {
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
    (scope, auto_sync): (&Scope, AutoSync),
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
    if auto_sync == AutoSync::Referenced {
        let used = published.iter().filter(|one| !one.constraints.is_empty() && one.template.fleet.is_none());
        let required = used.flat_map(|one| one.template.sync_requirements.iter().flat_map(SyncRequirements::kinds));
        synced.extend(required.filter(|kind| !kind.is_secret()).cloned());
    }
    PolicySet {
        id: next_id(),
        scope: scope.clone(),
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

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Templates by name, which is the lower case of their kind.
fn unique_templates<'set>(
    scope: &Scope,
    bundles: &[&'set Bundle],
    defects: &mut Vec<Defect>,
) -> BTreeMap<String, &'set Compiled> {
    let mut templates: BTreeMap<String, &Compiled> = BTreeMap::new();
    for compiled in bundles.iter().flat_map(|bundle| &bundle.templates) {
        let (template, name) = (&compiled.template, compiled.template.kind.to_lowercase());
        if template.fleet.is_some() && *scope != Scope::Fleet {
            let message = "a template of a cluster's own may not read other clusters: a fleet template is the fleet's";
            let diagnostic = Diagnostic::new(code::INVALID_TEMPLATE, message).at(template.origin.clone());
            defects.push(Defect { bundle: template.bundle.clone(), diagnostic });
            continue;
        }
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

fn bound_constraints(bundles: &[&Bundle], templates: &BTreeMap<String, &Compiled>, defects: &mut Vec<Defect>) -> Named {
    let broken = |name: &str| bundles.iter().any(|bundle| bundle.broken.contains(name));
    let mut constraints = Named::new();
    let documents = bundles.iter().flat_map(|bundle| bundle.constraints.iter().map(|one| (&bundle.name, one)));
    for (bundle, document) in documents {
        let kind = document.value.get("kind").and_then(Value::as_str).unwrap_or_default();
        let name = kind.to_lowercase();
        let Some(compiled) = templates.get(&name) else {
            // The author of a bundle sees what is wrong with the template; that of a custom resource looks at its status.
            if !broken(&name) || &**bundle == Bundle::RESOURCES {
                let diagnostic = without_template(document, kind, templates, broken(&name));
                defects.push(Defect { bundle: bundle.clone(), diagnostic });
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
            Err(found) => {
                let defect = |diagnostic| Defect { bundle: bundle.clone(), diagnostic };
                defects.extend(found.into_iter().map(defect));
            }
        }
    }
    constraints
}

fn without_template(
    document: &Document,
    kind: &str,
    templates: &BTreeMap<String, &Compiled>,
    broken: bool,
) -> Diagnostic {
    let message = format!("missing ConstraintTemplate: template {:?} not found", kind.to_lowercase());
    let known = templates.values().map(|compiled| &*compiled.template.kind);
    let diagnostic = document.diagnostic(code::TEMPLATE_NOT_FOUND, "kind", message);
    let hint = if broken { Some("it is there, and defective".to_owned()) } else { did_you_mean(kind, known) };
    Diagnostic { hint, ..diagnostic }
}

fn duplicate(what: &str, here: (&Location, &Arc<str>), first: (&Location, &Arc<str>)) -> Defect {
    let bundle = |word: &str, name: &str| match name {
        Bundle::RESOURCES => String::new(),
        name => format!(" {word} bundle {name:?}"),
    };
    let (mine, others) = (bundle("of", here.1), bundle("in", first.1));
    let message = format!("{what}{mine} is already defined at {}{others}", first.0);
    Defect { bundle: here.1.clone(), diagnostic: Diagnostic::new(code::DUPLICATE, message).at(here.0.clone()) }
}
