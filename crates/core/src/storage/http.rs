//! HTTP clients of the SDK, with rustls and ring.

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};

use super::Authorities;
use crate::proxies::Proxies;

/// A client for the store at `endpoint`, or on AWS. Given authorities are the only ones that count.
pub(super) fn for_store(authorities: &Authorities, proxies: &Proxies, endpoint: Option<&str>) -> SharedHttpClient {
    let trusted = match authorities {
        Authorities::System => TrustStore::default(),
        Authorities::Given(pem) => TrustStore::empty().with_pem_certificate(pem.as_slice()),
    };
    client(trusted, proxy_for(proxies, endpoint.unwrap_or("https://")))
}

/// A client for STS. A given authority is one of the store, and counts besides those of the machine.
pub(super) fn for_sts(authorities: &Authorities, proxies: &Proxies) -> SharedHttpClient {
    client(with_system(authorities), proxy_for(proxies, "https://"))
}

/// A client for services of this machine or of the link.
pub(super) fn for_neighbours(authorities: &Authorities) -> SharedHttpClient {
    client(with_system(authorities), ProxyConfig::disabled())
}

fn with_system(authorities: &Authorities) -> TrustStore {
    match authorities {
        Authorities::System => TrustStore::default(),
        Authorities::Given(pem) => TrustStore::default().with_pem_certificate(pem.as_slice()),
    }
}

/// The proxy for URLs that begin as `url` does.
fn proxy_for(proxies: &Proxies, url: &str) -> ProxyConfig {
    let is_https = url.starts_with("https://");
    let proxy = if is_https { proxies.https() } else { proxies.http() };
    let config = proxy.and_then(|proxy| match is_https {
        true => ProxyConfig::https(proxy.expose()).ok(),
        false => ProxyConfig::http(proxy.expose()).ok(),
    });
    match (config, proxies.exceptions()) {
        (None, _) => ProxyConfig::disabled(),
        (Some(config), None) => config,
        (Some(config), Some(exceptions)) => config.no_proxy(exceptions),
    }
}

fn client(trusted: TrustStore, proxy: ProxyConfig) -> SharedHttpClient {
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.expect("what can be wrong with a context is an additional server name, and there is none");
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        if let Some(settings) = settings {
            builder.set_connector_settings(Some(settings.clone()));
        }
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        let builder = builder.proxy_config(proxy.clone()).tls_provider(Provider::Rustls(CryptoMode::Ring));
        builder.tls_context(context.clone()).build()
    })
}
