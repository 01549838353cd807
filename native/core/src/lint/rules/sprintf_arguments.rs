//! FG211: a format and values that do not fit each other.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use crate::lint::sprintf;
use crate::lint::walk;
use fleetgate_rego::ast::Value;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG211",
        name: "sprintf-arguments",
        severity: Severity::Warning,
        summary: "sprintf has more or fewer values than its format prints",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        for (rego, rule) in template.rules() {
            walk::calls(rule, &mut |call, span| {
                let (true, [format, values, ..]) = (call.is("sprintf"), call.args.as_slice()) else { return };
                let (Some(text), Value::Array(values)) = (format.as_str(), &values.value) else { return };
                let Some(wanted) = sprintf::verbs(text).filter(|wanted| *wanted != values.len()) else { return };
                let given = values.len();
                let shows = if given < wanted { "%!v(MISSING)" } else { "%!(EXTRA …)" };
                let message = format!("the format prints {wanted} values and is given {given}: the text shows {shows}");
                findings.add(rego.locate(span), "", message, "give as many values as the format has verbs");
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    #[test]
    fn fires() {
        for call in ["sprintf(\"%v %v\", [1])", "sprintf(\"no\", [1])", "concat(\"\", [sprintf(\"%v\", [])])"] {
            let rego = format!("violation[{{\"msg\": m}}] {{ m := {call} }}");
            assert_eq!(codes(&template(&rego)), ["FG211"], "{call}");
        }
        let inside = "violation[{\"msg\": m}] { m := concat(\"\", [x | x := sprintf(\"%v\", [1, 2])]) }";
        assert_eq!(codes(&template(inside)), ["FG211"]);
    }

    #[test]
    fn does_not_fire() {
        for call in
            ["sprintf(\"%v %d%%\", [1, 2])", "sprintf(\"%[1]v\", [1])", "sprintf(f, [1])", "sprintf(\"%v\", xs)"]
        {
            let rego = format!("violation[{{\"msg\": m}}] {{ f := \"x\"; xs := [1]; m := {call} }}");
            assert!(codes(&template(&rego)).is_empty(), "{call}");
        }
    }
}
