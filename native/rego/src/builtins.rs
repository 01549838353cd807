//! The built-ins of OPA 1.22.2, by name. A test of the oracle keeps the table equal to OPA's.

use crate::capabilities::Release;

/// A built-in function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// The name it is called by; operators call theirs.
    pub name: &'static str,
    /// How many arguments it takes, the result not counted.
    pub arity: usize,
    /// It has no result and always succeeds.
    pub void: bool,
    /// Rego v1 refuses it.
    pub deprecated: bool,
    /// Its type as OPA writes it in errors: `(delimiter: string, n: number) => output: string`. `T...` takes any number
    /// of arguments; a void built-in has no result.
    pub signature: &'static str,
}

const fn builtin(name: &'static str, arity: usize, void: bool, deprecated: bool, signature: &'static str) -> Builtin {
    Builtin { name, arity, void, deprecated, signature }
}

/// The built-ins that OPA 1.22 has and OPA 1.17 has not.
pub const NEW_IN_1_22: &[&str] = &["strings.split_n"];

/// The built-ins whose result was `any` in OPA 1.17; nothing else differs in their types.
pub const ANY_IN_1_17: &[&str] = &[
    "json.filter",
    "json.remove",
    "object.filter",
    "object.remove",
    "object.subset",
    "object.union",
    "object.union_n",
];

impl Builtin {
    /// Whether `release` has it.
    #[must_use]
    pub fn is_in(&self, release: Release) -> bool {
        release == Release::Opa1_22 || !NEW_IN_1_22.contains(&self.name)
    }

    /// Whether `release` says only that its result is `any`.
    #[must_use]
    pub fn is_result_any(&self, release: Release) -> bool {
        release == Release::Opa1_17 && ANY_IN_1_17.contains(&self.name)
    }

    /// Whether one call may have several outputs.
    #[must_use]
    pub fn is_relation(&self) -> bool {
        self.name == "walk"
    }
}

/// The built-in called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Builtin> {
    let index = BUILTINS.binary_search_by(|builtin| builtin.name.cmp(name)).ok()?;
    BUILTINS.get(index)
}

/// Every built-in, sorted by name.
#[rustfmt::skip]
pub const BUILTINS: &[Builtin] = &[
    builtin("abs", 1, false, false, "(x: number) => y: number"),
    builtin("all", 1, false, true, "(any<array[any], set[any]>) => boolean"),
    builtin("and", 2, false, false, "(x: set[any], y: set[any]) => z: set[any]"),
    builtin("any", 1, false, true, "(any<array[any], set[any]>) => boolean"),
    builtin("array.concat", 2, false, false, "(x: array[any], y: array[any]) => z: array[any]"),
    builtin("array.flatten", 1, false, false, "(arr: array[any]) => flattened: array[any]"),
    builtin("array.reverse", 1, false, false, "(arr: array[any]) => rev: array[any]"),
    builtin("array.slice", 3, false, false, "(arr: array[any], start: number, stop: number) => slice: array[any]"),
    builtin("assign", 2, false, false, "(any, any) => boolean"),
    builtin("base64.decode", 1, false, false, "(x: string) => y: string"),
    builtin("base64.encode", 1, false, false, "(x: string) => y: string"),
    builtin("base64.is_valid", 1, false, false, "(x: string) => result: boolean"),
    builtin("base64url.decode", 1, false, false, "(x: string) => y: string"),
    builtin("base64url.encode", 1, false, false, "(x: string) => y: string"),
    builtin("base64url.encode_no_pad", 1, false, false, "(x: string) => y: string"),
    builtin("bits.and", 2, false, false, "(x: number, y: number) => z: number"),
    builtin("bits.lsh", 2, false, false, "(x: number, s: number) => z: number"),
    builtin("bits.negate", 1, false, false, "(x: number) => z: number"),
    builtin("bits.or", 2, false, false, "(x: number, y: number) => z: number"),
    builtin("bits.rsh", 2, false, false, "(x: number, s: number) => z: number"),
    builtin("bits.xor", 2, false, false, "(x: number, y: number) => z: number"),
    builtin("cast_array", 1, false, true, "(any) => array[any]"),
    builtin("cast_boolean", 1, false, true, "(any) => boolean"),
    builtin("cast_null", 1, false, true, "(any) => null"),
    builtin("cast_object", 1, false, true, "(any) => object[any: any]"),
    builtin("cast_set", 1, false, true, "(any) => set[any]"),
    builtin("cast_string", 1, false, true, "(any) => string"),
    builtin("ceil", 1, false, false, "(x: number) => y: number"),
    builtin("concat", 2, false, false, "(delimiter: string, collection: any<array[string], set[string]>) => output: string"),
    builtin("contains", 2, false, false, "(haystack: string, needle: string) => result: boolean"),
    builtin("count", 1, false, false, "(collection: any<string, array[any], object[any: any], set[any]>) => n: number"),
    builtin("crypto.hmac.equal", 2, false, false, "(mac1: string, mac2: string) => result: boolean"),
    builtin("crypto.hmac.md5", 2, false, false, "(x: string, key: string) => y: string"),
    builtin("crypto.hmac.sha1", 2, false, false, "(x: string, key: string) => y: string"),
    builtin("crypto.hmac.sha256", 2, false, false, "(x: string, key: string) => y: string"),
    builtin("crypto.hmac.sha512", 2, false, false, "(x: string, key: string) => y: string"),
    builtin("crypto.md5", 1, false, false, "(x: string) => y: string"),
    builtin("crypto.parse_private_keys", 1, false, false, "(keys: string) => output: array[object[string: any]]"),
    builtin("crypto.sha1", 1, false, false, "(x: string) => y: string"),
    builtin("crypto.sha256", 1, false, false, "(x: string) => y: string"),
    builtin("crypto.x509.parse_and_verify_certificates", 1, false, false, "(certs: string) => output: array<boolean, array[object[string: any]]>"),
    builtin("crypto.x509.parse_and_verify_certificates_with_options", 2, false, false, "(certs: string, options: object[string: any]) => output: array<boolean, array[object[string: any]]>"),
    builtin("crypto.x509.parse_certificate_request", 1, false, false, "(csr: string) => output: object[string: any]"),
    builtin("crypto.x509.parse_certificates", 1, false, false, "(certs: string) => output: array[object[string: any]]"),
    builtin("crypto.x509.parse_keypair", 2, false, false, "(cert: string, pem: string) => output: object[string: any]"),
    builtin("crypto.x509.parse_rsa_private_key", 1, false, false, "(pem: string) => output: object[string: any]"),
    builtin("div", 2, false, false, "(x: number, y: number) => z: number"),
    builtin("endswith", 2, false, false, "(search: string, base: string) => result: boolean"),
    builtin("eq", 2, false, false, "(any, any) => boolean"),
    builtin("equal", 2, false, false, "(x: any, y: any) => result: boolean"),
    builtin("floor", 1, false, false, "(x: number) => y: number"),
    builtin("format_int", 2, false, false, "(number: number, base: number) => output: string"),
    builtin("glob.match", 3, false, false, "(pattern: string, delimiters: any<null, array[string]>, match: string) => result: boolean"),
    builtin("glob.quote_meta", 1, false, false, "(pattern: string) => output: string"),
    builtin("graph.reachable", 2, false, false, "(graph: object[any: any<array[any], set[any]>], initial: any<array[any], set[any]>) => output: set[any]"),
    builtin("graph.reachable_paths", 2, false, false, "(graph: object[any: any<array[any], set[any]>], initial: any<array[any], set[any]>) => output: set[array[any]]"),
    builtin("graphql.is_valid", 2, false, false, "(query: any<string, object[any: any]>, schema: any<string, object[any: any]>) => output: boolean"),
    builtin("graphql.parse", 2, false, false, "(query: any<string, object[any: any]>, schema: any<string, object[any: any]>) => output: array<object[any: any], object[any: any]>"),
    builtin("graphql.parse_and_verify", 2, false, false, "(query: any<string, object[any: any]>, schema: any<string, object[any: any]>) => output: array<boolean, object[any: any], object[any: any]>"),
    builtin("graphql.parse_query", 1, false, false, "(query: string) => output: object[any: any]"),
    builtin("graphql.parse_schema", 1, false, false, "(schema: string) => output: object[any: any]"),
    builtin("graphql.schema_is_valid", 1, false, false, "(schema: any<string, object[any: any]>) => output: boolean"),
    builtin("gt", 2, false, false, "(x: any, y: any) => result: boolean"),
    builtin("gte", 2, false, false, "(x: any, y: any) => result: boolean"),
    builtin("hex.decode", 1, false, false, "(x: string) => y: string"),
    builtin("hex.encode", 1, false, false, "(x: string) => y: string"),
    builtin("http.send", 1, false, false, "(request: object[string: any]) => response: object[any: any]"),
    builtin("indexof", 2, false, false, "(haystack: string, needle: string) => output: number"),
    builtin("indexof_n", 2, false, false, "(haystack: string, needle: string) => output: array[number]"),
    builtin("internal.member_2", 2, false, false, "(any, any) => boolean"),
    builtin("internal.member_3", 3, false, false, "(any, any, any) => boolean"),
    builtin("internal.print", 1, true, false, "(array[set[any]])"),
    builtin("internal.template_string", 1, false, false, "(array[any]) => string"),
    builtin("internal.test_case", 1, true, false, "(array[any])"),
    builtin("intersection", 1, false, false, "(xs: set[set[any]]) => y: set[any]"),
    builtin("io.jwt.decode", 1, false, false, "(jwt: string) => output: array<object[any: any], object[any: any], string>"),
    builtin("io.jwt.decode_verify", 2, false, false, "(jwt: string, constraints: object[string: any]) => output: array<boolean, object[any: any], object[any: any]>"),
    builtin("io.jwt.encode_sign", 3, false, false, "(headers: object[string: any], payload: object[string: any], key: object[string: any]) => output: string"),
    builtin("io.jwt.encode_sign_raw", 3, false, false, "(headers: string, payload: string, key: string) => output: string"),
    builtin("io.jwt.verify_eddsa", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_es256", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_es384", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_es512", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_hs256", 2, false, false, "(jwt: string, secret: string) => result: boolean"),
    builtin("io.jwt.verify_hs384", 2, false, false, "(jwt: string, secret: string) => result: boolean"),
    builtin("io.jwt.verify_hs512", 2, false, false, "(jwt: string, secret: string) => result: boolean"),
    builtin("io.jwt.verify_ps256", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_ps384", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_ps512", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_rs256", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_rs384", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("io.jwt.verify_rs512", 2, false, false, "(jwt: string, certificate: string) => result: boolean"),
    builtin("is_array", 1, false, false, "(x: any) => result: boolean"),
    builtin("is_boolean", 1, false, false, "(x: any) => result: boolean"),
    builtin("is_null", 1, false, false, "(x: any) => result: boolean"),
    builtin("is_number", 1, false, false, "(x: any) => result: boolean"),
    builtin("is_object", 1, false, false, "(x: any) => result: boolean"),
    builtin("is_set", 1, false, false, "(x: any) => result: boolean"),
    builtin("is_string", 1, false, false, "(x: any) => result: boolean"),
    builtin("json.filter", 2, false, false, "(object: object[any: any], paths: any<array[any<string, array[any]>], set[any<string, array[any]>]>) => filtered: object[any: any]"),
    builtin("json.is_valid", 1, false, false, "(x: string) => result: boolean"),
    builtin("json.marshal", 1, false, false, "(x: any) => y: string"),
    builtin("json.marshal_with_options", 2, false, false, "(x: any, opts: object<indent: string, prefix: string, pretty: boolean>[string: any]) => y: string"),
    builtin("json.match_schema", 2, false, false, "(document: any<string, object[any: any]>, schema: any<string, object[any: any]>) => output: array<boolean, array[object<desc: string, error: string, field: string, type: string>]>"),
    builtin("json.patch", 2, false, false, "(target: any, patches: array[object<op: string, path: any>[any: any]]) => output: any"),
    builtin("json.remove", 2, false, false, "(object: object[any: any], paths: any<array[any<string, array[any]>], set[any<string, array[any]>]>) => output: object[any: any]"),
    builtin("json.unmarshal", 1, false, false, "(x: string) => y: any"),
    builtin("json.verify_schema", 1, false, false, "(schema: any<string, object[any: any]>) => output: array<boolean, any<null, string>>"),
    builtin("lower", 1, false, false, "(x: string) => y: string"),
    builtin("lt", 2, false, false, "(x: any, y: any) => result: boolean"),
    builtin("lte", 2, false, false, "(x: any, y: any) => result: boolean"),
    builtin("max", 1, false, false, "(collection: any<array[any], set[any]>) => n: any"),
    builtin("min", 1, false, false, "(collection: any<array[any], set[any]>) => n: any"),
    builtin("minus", 2, false, false, "(x: any<number, set[any]>, y: any<number, set[any]>) => z: any<number, set[any]>"),
    builtin("mul", 2, false, false, "(x: number, y: number) => z: number"),
    builtin("neq", 2, false, false, "(x: any, y: any) => result: boolean"),
    builtin("net.cidr_contains", 2, false, false, "(cidr: string, cidr_or_ip: string) => result: boolean"),
    builtin("net.cidr_contains_matches", 2, false, false, "(cidrs: any<string, array[any<string, array[any]>], object[string: any<string, array[any]>], set[any<string, array[any]>]>, cidrs_or_ips: any<string, array[any<string, array[any]>], object[string: any<string, array[any]>], set[any<string, array[any]>]>) => output: set[array<any, any>]"),
    builtin("net.cidr_expand", 1, false, false, "(cidr: string) => hosts: set[string]"),
    builtin("net.cidr_intersects", 2, false, false, "(cidr1: string, cidr2: string) => result: boolean"),
    builtin("net.cidr_is_valid", 1, false, false, "(cidr: string) => result: boolean"),
    builtin("net.cidr_merge", 1, false, false, "(addrs: any<array[any<string>], set[string]>) => output: set[string]"),
    builtin("net.cidr_overlap", 2, false, true, "(string, string) => boolean"),
    builtin("net.lookup_ip_addr", 1, false, false, "(name: string) => addrs: set[string]"),
    builtin("numbers.range", 2, false, false, "(a: number, b: number) => range: array[number]"),
    builtin("numbers.range_step", 3, false, false, "(a: number, b: number, step: number) => range: array[number]"),
    builtin("object.filter", 2, false, false, "(object: object[any: any], keys: any<array[any], object[any: any], set[any]>) => filtered: object[any: any]"),
    builtin("object.get", 3, false, false, "(object: object[any: any], key: any, default: any) => value: any"),
    builtin("object.keys", 1, false, false, "(object: object[any: any]) => value: set[any]"),
    builtin("object.remove", 2, false, false, "(object: object[any: any], keys: any<array[any], object[any: any], set[any]>) => output: object[any: any]"),
    builtin("object.subset", 2, false, false, "(super: any<array[any], object[any: any], set[any]>, sub: any<array[any], object[any: any], set[any]>) => result: boolean"),
    builtin("object.union", 2, false, false, "(a: object[any: any], b: object[any: any]) => output: object[any: any]"),
    builtin("object.union_n", 1, false, false, "(objects: array[object[any: any]]) => output: object[any: any]"),
    builtin("opa.runtime", 0, false, false, "() => output: object[string: any]"),
    builtin("or", 2, false, false, "(x: set[any], y: set[any]) => z: set[any]"),
    builtin("plus", 2, false, false, "(x: number, y: number) => z: number"),
    builtin("print", 0, true, false, "(any...)"),
    builtin("product", 1, false, false, "(collection: any<array[number], set[number]>) => n: number"),
    builtin("providers.aws.sign_req", 3, false, false, "(request: object[string: any], aws_config: object[string: any], time_ns: number) => signed_request: object[any: any]"),
    builtin("rand.intn", 2, false, false, "(str: string, n: number) => y: number"),
    builtin("re_match", 2, false, true, "(string, string) => boolean"),
    builtin("regex.find_all_string_submatch_n", 3, false, false, "(pattern: string, value: string, number: number) => output: array[array[string]]"),
    builtin("regex.find_n", 3, false, false, "(pattern: string, value: string, number: number) => output: array[string]"),
    builtin("regex.globs_match", 2, false, false, "(glob1: string, glob2: string) => result: boolean"),
    builtin("regex.is_valid", 1, false, false, "(pattern: string) => result: boolean"),
    builtin("regex.match", 2, false, false, "(pattern: string, value: string) => result: boolean"),
    builtin("regex.replace", 3, false, false, "(s: string, pattern: string, value: string) => output: string"),
    builtin("regex.split", 2, false, false, "(pattern: string, value: string) => output: array[string]"),
    builtin("regex.template_match", 4, false, false, "(template: string, value: string, delimiter_start: string, delimiter_end: string) => result: boolean"),
    builtin("rego.metadata.chain", 0, false, false, "() => chain: array[any]"),
    builtin("rego.metadata.rule", 0, false, false, "() => output: any"),
    builtin("rego.parse_module", 2, false, false, "(filename: string, rego: string) => output: object[string: any]"),
    builtin("rem", 2, false, false, "(x: number, y: number) => z: number"),
    builtin("replace", 3, false, false, "(x: string, old: string, new: string) => y: string"),
    builtin("round", 1, false, false, "(x: number) => y: number"),
    builtin("semver.compare", 2, false, false, "(a: string, b: string) => result: number"),
    builtin("semver.is_valid", 1, false, false, "(vsn: any) => result: boolean"),
    builtin("set_diff", 2, false, true, "(set[any], set[any]) => set[any]"),
    builtin("sort", 1, false, false, "(collection: any<array[any], set[any]>) => n: array[any]"),
    builtin("split", 2, false, false, "(x: string, delimiter: string) => ys: array[string]"),
    builtin("sprintf", 2, false, false, "(format: string, values: array[any]) => output: string"),
    builtin("startswith", 2, false, false, "(search: string, base: string) => result: boolean"),
    builtin("strings.any_prefix_match", 2, false, false, "(search: any<string, array[string], set[string]>, base: any<string, array[string], set[string]>) => result: boolean"),
    builtin("strings.any_suffix_match", 2, false, false, "(search: any<string, array[string], set[string]>, base: any<string, array[string], set[string]>) => result: boolean"),
    builtin("strings.count", 2, false, false, "(search: string, substring: string) => output: number"),
    builtin("strings.render_template", 2, false, false, "(value: string, vars: object[string: any]) => result: string"),
    builtin("strings.replace_n", 2, false, false, "(patterns: object[string: string], value: string) => output: string"),
    builtin("strings.reverse", 1, false, false, "(x: string) => y: string"),
    builtin("strings.split_n", 3, false, false, "(x: string, delimiter: string, n: number) => ys: array[string]"),
    builtin("substring", 3, false, false, "(value: string, offset: number, length: number) => output: string"),
    builtin("sum", 1, false, false, "(collection: any<array[number], set[number]>) => n: number"),
    builtin("time.add_date", 4, false, false, "(ns: number, years: number, months: number, days: number) => output: number"),
    builtin("time.clock", 1, false, false, "(x: any<number, array<number, string>>) => output: array<number, number, number>"),
    builtin("time.date", 1, false, false, "(x: any<number, array<number, string>>) => date: array<number, number, number>"),
    builtin("time.diff", 2, false, false, "(ns1: any<number, array<number, string>>, ns2: any<number, array<number, string>>) => output: array<number, number, number, number, number, number>"),
    builtin("time.format", 1, false, false, "(x: any<number, array<number, string>, array<number, string, string>>) => formatted timestamp: string"),
    builtin("time.now_ns", 0, false, false, "() => now: number"),
    builtin("time.parse_duration_ns", 1, false, false, "(duration: string) => ns: number"),
    builtin("time.parse_ns", 2, false, false, "(layout: string, value: string) => ns: number"),
    builtin("time.parse_rfc3339_ns", 1, false, false, "(value: string) => ns: number"),
    builtin("time.weekday", 1, false, false, "(x: any<number, array<number, string>>) => day: string"),
    builtin("to_number", 1, false, false, "(value: any<null, boolean, number, string>) => num: number"),
    builtin("trace", 1, false, false, "(note: string) => result: boolean"),
    builtin("trim", 2, false, false, "(value: string, cutset: string) => output: string"),
    builtin("trim_left", 2, false, false, "(value: string, cutset: string) => output: string"),
    builtin("trim_prefix", 2, false, false, "(value: string, prefix: string) => output: string"),
    builtin("trim_right", 2, false, false, "(value: string, cutset: string) => output: string"),
    builtin("trim_space", 1, false, false, "(value: string) => output: string"),
    builtin("trim_suffix", 2, false, false, "(value: string, suffix: string) => output: string"),
    builtin("type_name", 1, false, false, "(x: any) => type: string"),
    builtin("union", 1, false, false, "(xs: set[set[any]]) => y: set[any]"),
    builtin("units.parse", 1, false, false, "(x: string) => y: number"),
    builtin("units.parse_bytes", 1, false, false, "(x: string) => y: number"),
    builtin("upper", 1, false, false, "(x: string) => y: string"),
    builtin("uri.is_valid", 1, false, false, "(uri: string) => result: boolean"),
    builtin("uri.parse", 1, false, false, "(uri: string) => output: object[string: string]"),
    builtin("urlquery.decode", 1, false, false, "(x: string) => y: string"),
    builtin("urlquery.decode_object", 1, false, false, "(x: string) => object: object[string: array[string]]"),
    builtin("urlquery.encode", 1, false, false, "(x: string) => y: string"),
    builtin("urlquery.encode_object", 1, false, false, "(object: object[string: any<string, array[string], set[string]>]) => y: string"),
    builtin("uuid.parse", 1, false, false, "(uuid: string) => result: object[string: any]"),
    builtin("uuid.rfc4122", 1, false, false, "(k: string) => output: string"),
    builtin("walk", 1, false, false, "(x: any) => output: array<array[any], any>"),
    builtin("yaml.is_valid", 1, false, false, "(x: string) => result: boolean"),
    builtin("yaml.marshal", 1, false, false, "(x: any) => y: string"),
    builtin("yaml.unmarshal", 1, false, false, "(x: string) => y: any"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(BUILTINS.is_sorted_by_key(|builtin| builtin.name));
        assert_eq!(find("sprintf").map(|builtin| builtin.arity), Some(2));
        assert_eq!(find("nosuch"), None);
    }
}
