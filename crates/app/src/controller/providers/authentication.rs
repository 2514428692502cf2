//! How Prometheus and web servers are shown who asks.

use crate::controller::aws;
use sluice_argo::api::{Authentication as Written, Sigv4Config, WebMetricHeader};
use sluice_metrics::{Authentication, AwsCredentials, Secrets, Server, Text};

/// Names of secrets within a source.
const PASSWORD: &str = "password";
const CLIENT_SECRET: &str = "client secret";

/// Puts headers and authentication of a metric into a server's settings; `signed` is the AWS service for which
/// requests are signed, where signing applies.
pub(in crate::controller) async fn put_into(
    server: &mut Server,
    name: &str,
    headers: &[WebMetricHeader],
    written: &Written,
    signed: Option<&str>,
    credentials: &AwsCredentials,
) -> Result<Secrets, String> {
    for header in headers {
        let value = Text::Plain(header.value.clone());
        server.headers.insert(header.key.clone(), value);
    }
    let Written {
        sigv4,
        oauth2,
        basic_auth,
    } = written;
    let has_basic = !basic_auth.username.is_empty() || !basic_auth.password.is_empty();
    let has_oauth2 = !oauth2.token_url.is_empty();
    let signed = signed.filter(|_| *sigv4 != Sigv4Config::default());
    if usize::from(has_basic) + usize::from(has_oauth2) + usize::from(signed.is_some()) > 1 {
        return Err(format!(
            "{name}: several ways of authentication are named; keep one of basicAuth, oauth2 and sigv4"
        ));
    }
    let missing = |field: &str| {
        format!("{name}: authentication.{field} is missing; write it, or leave the others out")
    };
    if has_basic {
        if basic_auth.username.is_empty() {
            return Err(missing("basicAuth.username"));
        }
        if basic_auth.password.is_empty() {
            return Err(missing("basicAuth.password"));
        }
        server.authentication = Authentication::Basic {
            username: Text::Plain(basic_auth.username.clone()),
            password: Text::secret(PASSWORD),
        };
        return Ok(Secrets::none().with(PASSWORD, &*basic_auth.password));
    }
    if has_oauth2 {
        if oauth2.client_id.is_empty() {
            return Err(missing("oauth2.clientId"));
        }
        if oauth2.client_secret.is_empty() {
            return Err(missing("oauth2.clientSecret"));
        }
        server.authentication = Authentication::OAuth2 {
            token_url: Text::Plain(oauth2.token_url.clone()),
            client_id: Text::Plain(oauth2.client_id.clone()),
            client_secret: Text::secret(CLIENT_SECRET),
            scopes: oauth2.scopes.clone(),
        };
        return Ok(Secrets::none().with(CLIENT_SECRET, &*oauth2.client_secret));
    }
    match signed {
        Some(service) => {
            let (_, authentication, secrets) =
                aws::signing(name, service, sigv4, credentials).await?;
            server.authentication = authentication;
            Ok(secrets)
        }
        None => Ok(Secrets::none()),
    }
}
