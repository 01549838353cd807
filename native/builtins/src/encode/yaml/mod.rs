//! `yaml.*`, as Gatekeeper's OPA reads and writes YAML: by sigs.k8s.io/yaml, which is YAML 1.1 by way of JSON.
//!
//! OPA reads YAML 1.2 from 1.22 on, where `yes` is a text, and so does this where [`Context::yaml_core_schema`] says so.

mod read;
mod scalar;
mod write;

use fleetgate_value::Value;

use scalar::Schema;

use super::json::printed;
use crate::operand::{any, string};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table =
    &[("yaml.is_valid", is_valid), ("yaml.marshal", marshal), ("yaml.unmarshal", unmarshal)];

const fn schema(context: &Context) -> Schema {
    if context.yaml_core_schema { Schema::Core } else { Schema::Old }
}

fn unmarshal(context: &mut Context, operands: &[Value]) -> Answer {
    read::first_document(string(operands, 1)?, schema(context))
        .map_err(|defect| Error::Builtin(format!("yaml: {defect}")))
}

fn is_valid(context: &mut Context, operands: &[Value]) -> Answer {
    Ok(any(operands, 1).as_str().is_some_and(|text| read::first_document(text, schema(context)).is_ok()).into())
}

fn marshal(context: &mut Context, operands: &[Value]) -> Answer {
    Ok(write::document(context, &printed(context, any(operands, 1)))?.into())
}
