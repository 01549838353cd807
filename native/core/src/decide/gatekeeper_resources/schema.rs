//! The fields of mutators (`apis/mutations/unversioned` of Gatekeeper 3.23.1) that its webhook decodes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decode::{Fields, or_zero};

/// Declares a struct whose fields are all optional, as Go decodes them.
macro_rules! fields {
    ($($(#[$note:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$note])*
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub(super) struct $name {
            $(#[serde(deserialize_with = "or_zero")] pub(super) $field: $type,)*
        }
    )*};
}

/// `spec` of a mutator; `AssignMetadata` does without `applyTo`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound = "Parameters: Default + DeserializeOwned")]
pub(super) struct Spec<Parameters> {
    #[serde(deserialize_with = "or_zero")]
    pub(super) apply_to: Vec<Fields<ApplyTo>>,
    #[serde(rename = "match", deserialize_with = "or_zero")]
    _match: Fields<Match>,
    #[serde(deserialize_with = "or_zero")]
    pub(super) location: String,
    #[serde(deserialize_with = "or_zero")]
    pub(super) parameters: Fields<Parameters>,
}

fields! {
    ApplyTo { groups: Vec<String>, versions: Vec<String>, kinds: Vec<String>, operations: Vec<String> }
    Test { sub_path: String, condition: String }
    /// `parameters` of `Assign`.
    Assign { path_tests: Vec<Fields<Test>>, assign: Fields<AssignField> }
    /// `parameters` of `AssignMetadata`.
    AssignMetadata { assign: Fields<AssignField> }
    /// `parameters` of `AssignImage`.
    ImageSpec { path_tests: Vec<Fields<Test>>, assign_domain: String, assign_path: String, assign_tag: String }
    /// `parameters` of `ModifySet`.
    ModifySet { path_tests: Vec<Fields<Test>>, operation: String, values: Fields<Values> }
    Values { from_list: Vec<Value> }
    /// Where a value comes from.
    AssignField { value: Option<Value>, from_metadata: Option<Fields<FromMetadata>>, external_data: Option<Fields<ExternalData>> }
    FromMetadata { field: String }
    ExternalData { provider: String, data_source: String, failure_policy: String, default: String }
    /// Decoded for its types alone.
    Match {
        kinds: Vec<Fields<Kinds>>,
        scope: String,
        namespaces: Vec<String>,
        excluded_namespaces: Vec<String>,
        label_selector: Fields<Selector>,
        namespace_selector: Fields<Selector>,
        name: String,
        source: String,
    }
    Kinds { api_groups: Vec<String>, kinds: Vec<String> }
    Selector { match_labels: BTreeMap<String, String>, match_expressions: Vec<Fields<Requirement>> }
    Requirement { key: String, operator: String, values: Vec<String> }
}
