//! Listeners with SSL or SASL. Also reached under `listener.name.<listener>.`.
//!
//! One row a key: name, type, default, check, update mode, effect in Ottla, one line of documentation. Compared with Kafka 3.9.2's own
//! definition by the tests over its recorded `--describe --all`; the order of rows is the order of the printed documentation.

use super::Check::{Any, OneOf};
use super::Effect::{NoEffect, Works};
use super::Mode::{PerBroker, ReadOnly};
use super::why::{JAVA, SECURE};
use super::{Key, Type, keys};

keys! { SECURITY =
    "connections.max.reauth.ms" Long "0", Any, ReadOnly, NoEffect(SECURE),
        "Longest time between two authentications; 0 is off.";
    "principal.builder.class" Class "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", Any, PerBroker, Works,
        "Class that names a connection's user.";
    "sasl.client.callback.handler.class" Class null, Any, ReadOnly, NoEffect(SECURE),
        "Java class answering a SASL client's questions.";
    "sasl.enabled.mechanisms" List "GSSAPI", Any, PerBroker, NoEffect(SECURE),
        "Mechanisms offered.";
    "sasl.jaas.config" Password null, Any, PerBroker, NoEffect(SECURE),
        "Login module and its options.";
    "sasl.kerberos.kinit.cmd" Str "/usr/bin/kinit", Any, PerBroker, NoEffect(SECURE),
        "The kinit command.";
    "sasl.kerberos.min.time.before.relogin" Long "60000", Any, PerBroker, NoEffect(SECURE),
        "Pause between two refreshes of a ticket.";
    "sasl.kerberos.principal.to.local.rules" List "DEFAULT", Any, PerBroker, NoEffect(SECURE),
        "Rules from principal to user name.";
    "sasl.kerberos.service.name" Str null, Any, PerBroker, NoEffect(SECURE),
        "Name of the Kerberos service.";
    "sasl.kerberos.ticket.renew.jitter" Double "0.05", Any, PerBroker, NoEffect(SECURE),
        "Randomness in renewing tickets.";
    "sasl.kerberos.ticket.renew.window.factor" Double "0.8", Any, PerBroker, NoEffect(SECURE),
        "Share of a ticket's life after which it is renewed.";
    "sasl.login.callback.handler.class" Class null, Any, ReadOnly, NoEffect(SECURE),
        "Java class answering a login's questions.";
    "sasl.login.class" Class null, Any, ReadOnly, NoEffect(SECURE),
        "Java class that logs in.";
    "sasl.login.connect.timeout.ms" Int null, Any, ReadOnly, NoEffect(SECURE),
        "Connecting to the authentication provider.";
    "sasl.login.read.timeout.ms" Int null, Any, ReadOnly, NoEffect(SECURE),
        "Reading from the authentication provider.";
    "sasl.login.refresh.buffer.seconds" Short "300", Any, PerBroker, NoEffect(SECURE),
        "Refresh a credential this long before its end.";
    "sasl.login.refresh.min.period.seconds" Short "60", Any, PerBroker, NoEffect(SECURE),
        "Shortest time between two refreshes.";
    "sasl.login.refresh.window.factor" Double "0.8", Any, PerBroker, NoEffect(SECURE),
        "Share of a credential's life after which it is refreshed.";
    "sasl.login.refresh.window.jitter" Double "0.05", Any, PerBroker, NoEffect(SECURE),
        "Randomness in that share.";
    "sasl.login.retry.backoff.max.ms" Long "10000", Any, ReadOnly, NoEffect(SECURE),
        "Longest pause between login tries.";
    "sasl.login.retry.backoff.ms" Long "100", Any, ReadOnly, NoEffect(SECURE),
        "First pause between login tries.";
    "sasl.mechanism.inter.broker.protocol" Str "GSSAPI", Any, PerBroker, NoEffect(SECURE),
        "Mechanism between brokers.";
    "sasl.oauthbearer.clock.skew.seconds" Int "30", Any, ReadOnly, NoEffect(SECURE),
        "Difference of clocks that is borne.";
    "sasl.oauthbearer.expected.audience" List null, Any, ReadOnly, NoEffect(SECURE),
        "Audiences a token may have.";
    "sasl.oauthbearer.expected.issuer" Str null, Any, ReadOnly, NoEffect(SECURE),
        "Issuer a token must have.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long "3600000", Any, ReadOnly, NoEffect(SECURE),
        "How often the provider's keys are read again.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long "10000", Any, ReadOnly, NoEffect(SECURE),
        "Longest pause between tries of that.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long "100", Any, ReadOnly, NoEffect(SECURE),
        "First pause between tries of that.";
    "sasl.oauthbearer.jwks.endpoint.url" Str null, Any, ReadOnly, NoEffect(SECURE),
        "Where the provider's keys are.";
    "sasl.oauthbearer.scope.claim.name" Str "scope", Any, ReadOnly, NoEffect(SECURE),
        "Claim that holds the scope.";
    "sasl.oauthbearer.sub.claim.name" Str "sub", Any, ReadOnly, NoEffect(SECURE),
        "Claim that holds the subject.";
    "sasl.oauthbearer.token.endpoint.url" Str null, Any, ReadOnly, NoEffect(SECURE),
        "Where tokens are asked for.";
    "sasl.server.callback.handler.class" Class null, Any, ReadOnly, NoEffect(SECURE),
        "Java class answering a SASL server's questions.";
    "sasl.server.max.receive.size" Int "524288", Any, ReadOnly, NoEffect(SECURE),
        "Largest SASL message before authentication.";
    "security.providers" Str null, Any, ReadOnly, NoEffect(JAVA),
        "Java security providers.";
    "ssl.allow.dn.changes" Bool "false", Any, ReadOnly, NoEffect(SECURE),
        "Let a new certificate have another name.";
    "ssl.allow.san.changes" Bool "false", Any, ReadOnly, NoEffect(SECURE),
        "Let a new certificate have other alternative names.";
    "ssl.cipher.suites" List "", Any, PerBroker, NoEffect(SECURE),
        "Cipher suites offered.";
    "ssl.client.auth" Str "none", OneOf(&["required", "requested", "none"]), PerBroker, NoEffect(SECURE),
        "Are clients asked for a certificate: `required`, `requested`, `none`.";
    "ssl.enabled.protocols" List "TLSv1.2,TLSv1.3", Any, PerBroker, NoEffect(SECURE),
        "TLS versions offered.";
    "ssl.endpoint.identification.algorithm" Str "https", Any, PerBroker, NoEffect(SECURE),
        "Check other brokers' host names; empty does not.";
    "ssl.engine.factory.class" Class null, Any, PerBroker, NoEffect(SECURE),
        "Java class that makes TLS engines.";
    "ssl.key.password" Password null, Any, PerBroker, NoEffect(SECURE),
        "Password of the private key.";
    "ssl.keymanager.algorithm" Str "SunX509", Any, PerBroker, NoEffect(SECURE),
        "Java key manager.";
    "ssl.keystore.certificate.chain" Password null, Any, PerBroker, NoEffect(SECURE),
        "Certificate chain, PEM.";
    "ssl.keystore.key" Password null, Any, PerBroker, NoEffect(SECURE),
        "Private key, PEM.";
    "ssl.keystore.location" Str null, Any, PerBroker, NoEffect(SECURE),
        "Key store file.";
    "ssl.keystore.password" Password null, Any, PerBroker, NoEffect(SECURE),
        "Password of that file.";
    "ssl.keystore.type" Str "JKS", Any, PerBroker, NoEffect(SECURE),
        "Format of that file.";
    "ssl.principal.mapping.rules" Str "DEFAULT", Any, ReadOnly, NoEffect(SECURE),
        "Rules from certificate name to user name.";
    "ssl.protocol" Str "TLSv1.3", Any, PerBroker, NoEffect(SECURE),
        "Preferred TLS version.";
    "ssl.provider" Str null, Any, PerBroker, NoEffect(SECURE),
        "Java provider of TLS.";
    "ssl.secure.random.implementation" Str null, Any, PerBroker, NoEffect(SECURE),
        "Java source of randomness.";
    "ssl.trustmanager.algorithm" Str "PKIX", Any, PerBroker, NoEffect(SECURE),
        "Java trust manager.";
    "ssl.truststore.certificates" Password null, Any, PerBroker, NoEffect(SECURE),
        "Trusted authorities, PEM.";
    "ssl.truststore.location" Str null, Any, PerBroker, NoEffect(SECURE),
        "Trust store file.";
    "ssl.truststore.password" Password null, Any, PerBroker, NoEffect(SECURE),
        "Password of that file.";
    "ssl.truststore.type" Str "JKS", Any, PerBroker, NoEffect(SECURE),
        "Format of that file.";
}
