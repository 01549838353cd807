//! What goes wrong between us and an API server, in words that name the cause.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use serde::Deserialize;

/// The cause of a failed call, as an operator would look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server's name has no address.
    Dns,
    /// Nothing listens there.
    Refused,
    /// No way to the address, or the connection broke.
    Unreachable,
    /// The certificates do not fit.
    Tls,
    /// The credentials are not accepted (401).
    Unauthorized,
    /// The credentials do not suffice (403).
    Forbidden,
    /// No answer in time.
    Timeout,
    /// The exec plug-in is not allowed, or failed.
    Exec,
    /// The kubeconfig cannot be used.
    Invalid,
    /// Anything else that the server answered.
    Other,
}

impl Cause {
    /// One lower-case word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Timeout => "timeout",
            Self::Exec => "exec",
            Self::Invalid => "invalid",
            Self::Other => "other",
        }
    }
}

impl Cause {
    /// The cause of a word; what is not known is `Other`.
    pub(crate) fn of_word(word: &str) -> Self {
        let all = [
            Self::Dns,
            Self::Refused,
            Self::Unreachable,
            Self::Tls,
            Self::Unauthorized,
            Self::Forbidden,
            Self::Timeout,
            Self::Exec,
            Self::Invalid,
        ];
        all.into_iter().find(|cause| cause.word() == word).unwrap_or(Self::Other)
    }
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// Why, in one word.
    pub cause: Cause,
    /// HTTP status; 0 where no answer came.
    pub code: u16,
    /// The API server's machine-readable reason (`NotFound`, `Expired` …); may be empty.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl StdError for CallError {}

impl CallError {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, code: 0, reason: String::new(), message: message.into(), retry_after: None }
    }

    pub(crate) fn timeout(what: &str, after: Duration) -> Self {
        Self::new(Cause::Timeout, format!("{what}: no answer within {:.1} s", after.as_secs_f64()))
    }

    /// The server's `Status` of an answer that is not a success. A body of another form is quoted in part: proxies answer
    /// with pages.
    pub(crate) fn of_status(what: &str, code: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        let cause = match code {
            401 => Cause::Unauthorized,
            403 => Cause::Forbidden,
            _ => Cause::Other,
        };
        let words = if status.message.is_empty() {
            String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect()
        } else {
            status.message
        };
        let retry_after = retry_after.or(match status.details.retry_after_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        });
        let message = format!("{what}: {code} {words}");
        Self { cause, code, reason: status.reason, message: message.trim_end().to_owned(), retry_after }
    }

    /// Whether the server no longer has the history from where the call wanted to go on.
    pub(crate) fn is_expired(&self) -> bool {
        self.code == 410 || self.reason == "Expired" || self.reason == "Gone"
    }

    /// Whether no answer came at all, so that the cluster is out of reach and not merely unwilling.
    pub(crate) const fn is_unreachable(&self) -> bool {
        use Cause::{Dns, Exec, Refused, Timeout, Tls, Unreachable};
        self.code == 0 && matches!(self.cause, Dns | Refused | Unreachable | Tls | Timeout | Exec)
    }

    /// From the client's error: its chain of sources says where it failed.
    pub(crate) fn of_client(what: &str, error: &kube::Error) -> Self {
        let cause = match error {
            kube::Error::Auth(_) => Cause::Exec,
            kube::Error::InferKubeconfig(_)
            | kube::Error::RustlsTls(_)
            | kube::Error::ProxyProtocolUnsupported { .. }
            | kube::Error::ProxyProtocolDisabled { .. } => Cause::Invalid,
            error => cause_of(error),
        };
        Self::new(cause, format!("{what}: {}", sentence(cause, error)))
    }

    pub(crate) fn of_body(what: &str, error: &(dyn StdError + 'static)) -> Self {
        let cause = cause_of(error);
        Self::new(cause, format!("{what}: {}", sentence(cause, error)))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: u32,
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        // An io::Error hides what it wraps from `source()`, which gives the source of that instead.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

fn cause_of(error: &(dyn StdError + 'static)) -> Cause {
    for error in chain(error) {
        if error.is::<rustls::Error>() {
            return Cause::Tls;
        }
        if error.to_string() == "dns error" {
            return Cause::Dns;
        }
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Cause::Refused,
            Some(io::ErrorKind::TimedOut) => return Cause::Timeout,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable,
            ) => return Cause::Unreachable,
            _ => {}
        }
    }
    Cause::Unreachable
}

fn sentence(cause: Cause, error: &(dyn StdError + 'static)) -> String {
    let deepest = chain(error).last().map(ToString::to_string).unwrap_or_default();
    match cause {
        Cause::Dns => format!("the name of the server has no address ({deepest})"),
        Cause::Refused => "connection refused: nothing listens there".to_owned(),
        Cause::Tls => format!("TLS: {deepest}"),
        Cause::Timeout => format!("no answer in time ({deepest})"),
        Cause::Unreachable => format!("the connection broke ({deepest})"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_quoted() {
        let body = br#"{"kind":"Status","message":"pods is forbidden","reason":"Forbidden","code":403}"#;
        let error = CallError::of_status("GET /api/v1/pods", 403, body, None);
        assert_eq!(error.cause, Cause::Forbidden);
        assert_eq!(error.reason, "Forbidden");
        assert_eq!(error.to_string(), "GET /api/v1/pods: 403 pods is forbidden");
    }

    #[test]
    fn the_wait_comes_from_header_or_details() {
        let body = br#"{"message":"slow down","details":{"retryAfterSeconds":7}}"#;
        assert_eq!(CallError::of_status("x", 429, body, None).retry_after, Some(Duration::from_secs(7)));
        let header = Some(Duration::from_secs(3));
        assert_eq!(CallError::of_status("x", 429, body, header).retry_after, header);
        assert_eq!(CallError::of_status("x", 429, b"{}", None).retry_after, None);
    }

    #[test]
    fn a_page_of_a_proxy_is_quoted_in_part_and_without_control_characters() {
        let body = format!("<html>\x1b[31m{}", "x".repeat(1000));
        let error = CallError::of_status("GET /", 502, body.as_bytes(), None);
        assert!(error.message.starts_with("GET /: 502 <html>[31mxxx"));
        assert!(error.message.len() < 230);
    }

    #[test]
    fn expired_is_told_by_code_or_reason() {
        for (code, body, expired) in
            [(410, "{}", true), (504, r#"{"reason":"Expired"}"#, true), (500, r#"{"reason":"InternalError"}"#, false)]
        {
            assert_eq!(CallError::of_status("x", code, body.as_bytes(), None).is_expired(), expired, "{code} {body}");
        }
    }

    #[test]
    fn causes_are_found_however_deep() {
        let wrapped = |kind| io::Error::other(io::Error::from(kind));
        for (error, cause) in [
            (wrapped(io::ErrorKind::ConnectionRefused), Cause::Refused),
            (wrapped(io::ErrorKind::ConnectionReset), Cause::Unreachable),
            (wrapped(io::ErrorKind::TimedOut), Cause::Timeout),
            (io::Error::other("dns error"), Cause::Dns),
            (io::Error::other(rustls::Error::HandshakeNotComplete), Cause::Tls),
        ] {
            assert_eq!(CallError::of_body("x", &error).cause, cause, "{error:?}");
        }
    }
}
