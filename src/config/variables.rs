//! Environment variables: which names are settings, which are Kubernetes service links, and which secrets are read from
//! files.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use super::Error;

/// Every secret setting. Each can also be read from a file, named by the variable with `_FILE` appended.
const SECRETS: [&str; 9] = [
    "DATABASE_URL",
    "USERDOCKS_SECRET_KEY",
    "USERDOCKS_OTHER_SECRET_KEY",
    "USERDOCKS_ADMIN__OIDC_CLIENT_SECRET",
    "USERDOCKS_DATABASE__URL",
    "USERDOCKS_DATABASE__DIRECT_URL",
    "USERDOCKS_MAIL__SMTP_URL",
    "USERDOCKS_MAIL__REPORTS__MAILGUN_SIGNING_KEY",
    "USERDOCKS_MAIL__REPORTS__POSTMARK_PASSWORD",
];

/// Maximum size of a secret file, in bytes.
const MAX_SECRET: u64 = 8192;

/// Keys without a section.
const TOP: [&str; 5] = [
    "USERDOCKS_ENV",
    "USERDOCKS_DATA_DIR",
    "USERDOCKS_OFFLINE",
    "USERDOCKS_SECRET_KEY",
    "USERDOCKS_OTHER_SECRET_KEY",
];

/// The settings found in the environment.
pub(super) struct Environment {
    /// `USERDOCKS_CONFIG`
    pub(super) file: Option<String>,
    /// `DATABASE_URL`
    pub(super) database_url: Option<String>,
    /// `USERDOCKS_<SECTION>__<KEY>` and the keys without a section.
    pub(super) settings: HashMap<String, String>,
}

/// Whether a variable with this name belongs to userdocks.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("USERDOCKS_") || name == "DATABASE_URL" || name == "DATABASE_URL_FILE"
}

impl Environment {
    /// Sorts the variables and reads secret files. A name that is neither a setting nor a service link is an error.
    pub(super) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut settings: HashMap<String, String> = variables
            .into_iter()
            .filter(|(name, value)| is_ours(name) && !is_service_link(name, value))
            .collect();
        let file = settings.remove("USERDOCKS_CONFIG").filter(|path| !path.is_empty());
        for name in SECRETS {
            let file_name = format!("{name}_FILE");
            // An empty variable counts as not set, as in compose files.
            let Some(path) = settings.remove(&file_name).filter(|path| !path.is_empty()) else { continue };
            if settings.get(name).is_some_and(|value| !value.is_empty()) {
                return Err(Error(format!("{name} and {file_name} are both set; set one of them")));
            }
            let secret = read_secret(&path).map_err(|why| Error(format!("{file_name}: {path} {why}")))?;
            settings.insert(name.to_owned(), secret);
        }
        let database_url = settings.remove("DATABASE_URL");
        if let Some(name) = settings.keys().find(|name| !name.contains("__") && !TOP.contains(&name.as_str()))
        {
            return Err(Error(format!(
                "{name} is not a setting; without it, `userdocks config check` shows all of them"
            )));
        }
        Ok(Self { file, database_url, settings })
    }
}

/// Reads the single line in a file, without its line end.
fn read_secret(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(format!("is longer than {MAX_SECRET} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err("is empty".to_owned());
    }
    if line.contains(char::is_control) {
        return Err("must hold one line without control characters".to_owned());
    }
    Ok(line.to_owned())
}

/// Whether Kubernetes sets such a variable for a Service: `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT[_PORTNAME]`,
/// `NAME_PORT` and `NAME_PORT_8080_TCP[_ADDR|_PORT|_PROTO]`, with the values that it assigns. Every pod of the
/// namespace gets them, so a Service named `userdocks-db` sets `USERDOCKS_DB_PORT`.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_ip = || value.parse::<IpAddr>().is_ok();
    let is_port =
        |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0) && !text.starts_with(['+', '0']);
    let is_protocol = |text: &str| matches!(text, "tcp" | "udp" | "sctp");
    let is_url = || {
        let url = value.split_once("://");
        url.is_some_and(|(scheme, at)| is_protocol(scheme) && at.parse::<SocketAddr>().is_ok())
    };
    // The text after each occurrence of `middle`. The name of a Service ends with a letter or a digit.
    let split = |middle: &'static str| {
        (0..name.len()).filter_map(move |at| {
            let (service, rest) = (name.get(..at)?, name.get(at..)?.strip_prefix(middle)?);
            service.ends_with(|c: char| c.is_ascii_alphanumeric()).then_some(rest)
        })
    };
    let is_service = split("_SERVICE_").any(|rest| match rest {
        "HOST" => is_ip(),
        "PORT" => is_port(value),
        _ => rest.strip_prefix("PORT_").is_some_and(|name| !name.is_empty()) && is_port(value),
    });
    let is_address = split("_PORT").any(|rest| rest.is_empty() && is_url());
    let is_port_link = split("_PORT_").any(|rest| {
        let mut parts = rest.split('_');
        let (port, protocol) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        is_port(port)
            && matches!(protocol, "TCP" | "UDP" | "SCTP")
            && match (parts.next(), parts.next()) {
                (None, _) => is_url(),
                (Some("ADDR"), None) => is_ip(),
                (Some("PORT"), None) => value == port,
                (Some("PROTO"), None) => value == protocol.to_ascii_lowercase(),
                _ => false,
            }
    });
    is_service || is_address || is_port_link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_service_variables_are_service_links() {
        for (name, value) in [
            ("USERDOCKS_SERVICE_HOST", "10.0.0.7"),
            ("USERDOCKS_SERVICE_HOST", "fd00::7"),
            ("USERDOCKS_SERVICE_PORT", "8080"),
            ("USERDOCKS_SERVICE_PORT_HTTP", "8080"),
            ("USERDOCKS_SERVICE_PORT_HTTP_METRICS", "9090"),
            ("USERDOCKS_PORT", "tcp://10.0.0.7:8080"),
            ("USERDOCKS_PORT", "udp://[fd00::7]:53"),
            ("USERDOCKS_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
            ("USERDOCKS_PORT_8080_TCP_ADDR", "10.0.0.7"),
            ("USERDOCKS_PORT_8080_TCP_PORT", "8080"),
            ("USERDOCKS_PORT_8080_TCP_PROTO", "tcp"),
            ("USERDOCKS_PORT_9_SCTP_PROTO", "sctp"),
            ("USERDOCKS_DB_SERVICE_HOST", "10.0.0.7"),
            ("USERDOCKS_MAIL_PORT", "tcp://10.0.0.7:25"),
            ("USERDOCKS_SERVICE_SERVICE_HOST", "10.0.0.7"),
            ("USERDOCKS_PORT_PORT_80_TCP", "tcp://10.0.0.7:80"),
            ("USERDOCKS__DB_PORT_5432_TCP_ADDR", "10.0.0.7"),
            ("USERDOCKS_CONFIG_SERVICE_PORT", "80"),
            ("USERDOCKS_SERVICE_A_PORT", "tcp://10.0.0.7:80"),
            ("USERDOCKS_SERVICE_PORT_A_SERVICE_B", "80"),
            ("USERDOCKS_2_PORT", "tcp://10.0.0.7:25"),
        ] {
            assert!(is_service_link(name, value), "{name}={value}");
        }
    }

    #[test]
    fn other_names_or_values_are_not_service_links() {
        for (name, value) in [
            ("USERDOCKS_PORT", "8080"),
            ("USERDOCKS_PORT", ""),
            ("USERDOCKS_PORT", "tcp://10.0.0.7"),
            ("USERDOCKS_PORT", "http://10.0.0.7:8080"),
            ("USERDOCKS_PORT", "tcp://host.example:8080"),
            ("USERDOCKS_PORT", "tcp://10.0.0.7:8080/x"),
            ("USERDOCKS_SERVER_PORT", "8080"),
            ("USERDOCKS_SERVICE_HOST", "host.example"),
            ("USERDOCKS_SERVICE_HOST", ""),
            ("USERDOCKS_SERVICE_PORT", "http"),
            ("USERDOCKS_SERVICE_PORT", "0"),
            ("USERDOCKS_SERVICE_PORT", "65536"),
            ("USERDOCKS_SERVICE_PORT_", "80"),
            ("USERDOCKS_SERVICE_PORTS", "80"),
            ("USERDOCKS_SERVICE_LISTEN", "10.0.0.7"),
            ("USERDOCKS_PORT_X_TCP", "tcp://10.0.0.7:8080"),
            ("USERDOCKS_PORT_8080_HTTP", "tcp://10.0.0.7:8080"),
            ("USERDOCKS_PORT_8080_TCP_NAME", "tcp"),
            ("USERDOCKS_PORT_8080_TCP_ADDR_X", "10.0.0.7"),
            ("USERDOCKS_PORT_8080_TCP_PORT", "8081"),
            ("USERDOCKS_PORT_8080_TCP_PROTO", "udp"),
            ("USERDOCKS_MAIL__PORT", "tcp://10.0.0.7:25"),
            ("USERDOCKS_MAIL__SERVICE_HOST", "10.0.0.7"),
        ] {
            assert!(!is_service_link(name, value), "{name}={value}");
        }
    }
}
