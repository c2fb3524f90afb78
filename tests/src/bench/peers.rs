//! The other proxies, set up to do the hop as well as they can: one process or thread, keep-alive on both sides, the
//! upstream's certificate verified, no access log.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result};

use super::child::Served;
use super::requests::HOST;
use crate::harness::certificates::Certificates;

/// Where peers are, and what they lead to.
pub(super) struct Ground<'a> {
    /// A folder for their files.
    pub(super) folder: &'a Path,
    /// The cgroup they run in; no program of Icecore's is attached there.
    pub(super) cgroup: &'a Path,
    /// Packages that were unpacked and not installed.
    pub(super) tools: Option<&'a Path>,
    /// The upstream.
    pub(super) upstream: SocketAddr,
    /// The certificates that they show and by which they trust the upstream.
    pub(super) certificates: &'a Certificates,
}

/// A peer that takes connections.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) served: Served,
    pub(super) address: SocketAddr,
}

impl Ground<'_> {
    /// Finds a program: unpacked, else installed; gives it with what must precede it on a command line.
    pub(super) fn program(&self, name: &str) -> (OsString, Vec<OsString>) {
        let unpacked = self.tools.map(|tools| tools.join("usr/sbin").join(name));
        match unpacked.filter(|path| path.exists()) {
            Some(path) => {
                let libraries = self.tools.unwrap_or(self.folder);
                let libraries = format!(
                    "LD_LIBRARY_PATH={0}/usr/lib/x86_64-linux-gnu:{0}/lib/x86_64-linux-gnu",
                    libraries.display()
                );
                ("env".into(), vec![libraries.into(), path.into()])
            }
            None => (name.into(), Vec::new()),
        }
    }

    fn start(
        &self,
        name: &str,
        program: &str,
        arguments: &[OsString],
        address: SocketAddr,
    ) -> Result<Peer> {
        let (program, mut words) = self.program(program);
        words.extend_from_slice(arguments);
        let log = self.folder.join(format!("{name}.log"));
        let mut served = Served::start(self.cgroup, &program, &words, &log)?;
        served.wait_for(address).map_err(|error| {
            error.context(format!(
                "{name}: {}",
                fs::read_to_string(log).unwrap_or_default()
            ))
        })?;
        Ok(Peer { served, address })
    }

    /// Starts nginx with one worker.
    pub(super) fn nginx(&self) -> Result<Peer> {
        let address = free_address()?;
        let file = self.folder.join("nginx.conf");
        let folder = self.folder.display();
        let text = format!(
            r#"daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    upstream account {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen {address} ssl;
        server_name {HOST};
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        location / {{
            proxy_pass https://account;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_ssl_protocols TLSv1.3;
            proxy_ssl_server_name on;
            proxy_ssl_name {HOST};
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {ca};
        }}
    }}
}}
"#,
            upstream = self.upstream,
            chain = self.certificates.chain_file.display(),
            key = self.certificates.key_file.display(),
            ca = self.certificates.ca_file.display(),
        );
        fs::write(&file, text)?;
        let arguments = [
            OsString::from("-e"),
            self.folder.join("nginx-error.log").into(),
            "-c".into(),
            file.into(),
        ];
        self.start("nginx", "nginx", &arguments, address)
    }

    /// Starts haproxy with one thread.
    pub(super) fn haproxy(&self) -> Result<Peer> {
        let address = free_address()?;
        let file = self.folder.join("haproxy.cfg");
        let text = format!(
            "global\n    nbthread 1\n    maxconn 4096\n\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n    \
             timeout http-keep-alive 1h\n    option http-keep-alive\n    http-reuse always\n\
             frontend agents\n    bind {address} ssl crt {bundle} ssl-min-ver TLSv1.3 alpn http/1.1\n    default_backend account\n\
             backend account\n    server account {upstream} ssl verify required ca-file {ca} sni str({HOST}) \
             verifyhost {HOST} ssl-min-ver TLSv1.3 alpn http/1.1\n",
            bundle = self.bundle()?.display(),
            upstream = self.upstream,
            ca = self.certificates.ca_file.display(),
        );
        fs::write(&file, text)?;
        let arguments = [OsString::from("-f"), file.into()];
        self.start("haproxy", "haproxy", &arguments, address)
    }

    /// Starts mitmdump of a Python environment, with an addon or without.
    pub(super) fn mitmproxy(
        &self,
        name: &str,
        environment: &Path,
        addon: Option<&Path>,
    ) -> Result<Peer> {
        let address = free_address()?;
        let set = |setting: String| [OsString::from("--set"), setting.into()];
        let mut arguments: Vec<OsString> = [
            "--quiet",
            "--mode",
            &format!("reverse:https://{}", self.upstream),
        ]
        .map(OsString::from)
        .to_vec();
        arguments.extend(["--listen-host".into(), address.ip().to_string().into()]);
        arguments.extend(["--listen-port".into(), address.port().to_string().into()]);
        arguments.extend(["--certs".into(), {
            let mut any = OsString::from("*=");
            any.push(self.bundle()?);
            any
        }]);
        let ca = self.certificates.ca_file.display();
        for setting in [
            format!("confdir={}", self.folder.join(name).display()),
            format!("ssl_verify_upstream_trusted_ca={ca}"),
            "keep_host_header=true".to_owned(),
            "http2=false".to_owned(),
        ] {
            arguments.extend(set(setting));
        }
        if let Some(addon) = addon {
            arguments.extend(["--scripts".into(), addon.into()]);
        }
        let program = environment.join("bin/mitmdump");
        self.start(name, &program.to_string_lossy(), &arguments, address)
    }

    /// Writes certificate chain and key into one file, as haproxy and mitmproxy want them.
    fn bundle(&self) -> Result<PathBuf> {
        let file = self.folder.join("bundle.pem");
        let key = fs::read_to_string(&self.certificates.key_file)?;
        let chain = fs::read_to_string(&self.certificates.chain_file)?;
        fs::write(&file, format!("{key}{chain}"))?;
        Ok(file)
    }
}

/// Finds an address of loopback that nothing listens on.
///
/// Outside the range that the kernel gives to clients (`ip_local_port_range`): whoever waits there for a server by
/// connecting to it may in the end connect to itself.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
        .take(1_000)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .context("no free port from 21000 on")
}
