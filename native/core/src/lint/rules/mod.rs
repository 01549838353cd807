//! The rules, one file each: what it is about, and the check.
//!
//! `FG1xx` look at Constraints, `FG2xx` at ConstraintTemplates.

mod admission_only;
mod compared_with_any;
mod deny_on_first_use;
mod enforcement_action;
mod enforcement_point;
mod ephemeral_containers;
mod group;
mod init_containers;
mod input_field;
mod inventory_path;
mod kind_group;
mod kind_name;
mod kind_not_synced;
mod library_reference;
mod message_type;
mod namespace_pattern;
mod namespaces_excluded;
mod namespaces_without_effect;
mod parameter_undeclared;
mod parameter_unused;
mod pod_rule_on_workloads;
mod pods;
mod scope_ignored;
mod scope_never_matches;
mod scoped_actions_ignored;
mod sprintf_arguments;
mod sync_undeclared;
mod unscoped_match;
mod workloads_without_pods;

use super::finding::{About, Findings};
use super::policies::Policies;

/// A rule.
pub(super) struct Rule {
    pub(super) about: About,
    /// Adds what it finds.
    pub(super) check: fn(&Policies, &mut Findings),
}

/// Every rule, by code.
pub(super) static ALL: [&Rule; 28] = [
    &unscoped_match::RULE,
    &group::RULE,
    &kind_name::RULE,
    &kind_group::RULE,
    &namespace_pattern::RULE,
    &namespaces_excluded::RULE,
    &namespaces_without_effect::RULE,
    &scope_never_matches::RULE,
    &scope_ignored::RULE,
    &enforcement_action::RULE,
    &scoped_actions_ignored::RULE,
    &enforcement_point::RULE,
    &deny_on_first_use::RULE,
    &workloads_without_pods::RULE,
    &pod_rule_on_workloads::RULE,
    &init_containers::RULE,
    &ephemeral_containers::RULE,
    &library_reference::RULE,
    &sync_undeclared::RULE,
    &kind_not_synced::RULE,
    &inventory_path::RULE,
    &input_field::RULE,
    &parameter_undeclared::RULE,
    &parameter_unused::RULE,
    &message_type::RULE,
    &sprintf_arguments::RULE,
    &compared_with_any::RULE,
    &admission_only::RULE,
];
