//! Keys, certificates and the kubeconfig of one throw-away cluster.

use crate::network::{API_SERVICE_ADDRESS, NODE_ADDRESS};
use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the API server listens, inside.
pub(crate) const API_PORT: u16 = 6443;
/// Bytes of the administrator's token.
const TOKEN_BYTES: usize = 24;
/// The user whose requests are logged.
const OBSERVED_USER: &str = "observed";

/// The files by which a cluster's parts know each other.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    folder: PathBuf,
}

impl Credentials {
    /// Those of the cluster with this folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The file for administrators, and for the cluster's own parts.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }
    /// The same administrator under another name: what this one asks for is in the audit log.
    pub(crate) fn observed_kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig-observed")
    }
    /// Which requests the API server logs.
    pub(crate) fn audit_policy(&self) -> PathBuf {
        self.folder.join("keys/audit-policy.json")
    }
    /// The certificate that signed the API server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("keys/ca.crt")
    }
    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.folder.join("keys/server.crt")
    }
    pub(crate) fn server_key(&self) -> PathBuf {
        self.folder.join("keys/server.key")
    }
    /// Signs the tokens of service accounts.
    pub(crate) fn account_key(&self) -> PathBuf {
        self.folder.join("keys/account.key")
    }
    /// Checks the tokens of service accounts.
    pub(crate) fn account_public_key(&self) -> PathBuf {
        self.folder.join("keys/account.pub")
    }
    /// Users by token, as the API server reads them.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.folder.join("keys/tokens.csv")
    }

    /// Makes all of them.
    pub(crate) fn write(&self) -> Result<()> {
        fs::create_dir_all(self.folder.join("keys"))?;
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, "cluster");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let server_key = KeyPair::generate()?;
        let names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            "127.0.0.1",
            API_SERVICE_ADDRESS,
            NODE_ADDRESS,
        ];
        let mut server = CertificateParams::new(names.map(str::to_owned).to_vec())?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_certificate = server.signed_by(&server_key, &issuer)?;

        let account_key = KeyPair::generate()?;
        let (token, observed_token) = (token()?, token()?);
        for (path, content) in [
            (self.authority(), authority_certificate.pem()),
            (self.server_certificate(), server_certificate.pem()),
            (self.server_key(), server_key.serialize_pem()),
            (self.account_key(), account_key.serialize_pem()),
            (self.account_public_key(), account_key.public_key_pem()),
            (
                self.tokens(),
                format!(
                    "{token},admin,admin,system:masters\n\
                     {observed_token},{OBSERVED_USER},{OBSERVED_USER},system:masters\n"
                ),
            ),
            (self.kubeconfig(), self.kubeconfig_text(&token)?),
            (
                self.observed_kubeconfig(),
                self.kubeconfig_text(&observed_token)?,
            ),
            (self.audit_policy(), audit_policy_text()?),
        ] {
            fs::write(&path, content)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// JSON is YAML, and quotes by itself what has to be.
    fn kubeconfig_text(&self, token: &str) -> Result<String> {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": {
                "server": format!("https://{NODE_ADDRESS}:{API_PORT}"),
                "certificate-authority": self.authority(),
            }}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "admin"}}],
            "current-context": "cluster",
        });
        Ok(serde_json::to_string_pretty(&kubeconfig)?)
    }
}

/// One line for each answer to the observed user, and for each watch that begins; nothing of anybody else's.
fn audit_policy_text() -> Result<String> {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [OBSERVED_USER]}, {"level": "None"}],
    });
    Ok(serde_json::to_string_pretty(&policy)?)
}

fn token() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
