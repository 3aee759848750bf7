// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar, servers that can die, and users, all over one transport.

use std::future::Future;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use rserpool::{
    Config, Mapping, Message, PeHandle, PeItem, PeSession, PoolElement, PoolElementBuilder, PoolUser, Profile, Result,
    Session, Transport,
};
use sim::process::Registrar;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Defines a test for each transport: `name::tcp`, `name::sctp_udp`, `name::sctp`.
macro_rules! on_each_transport {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            #[test]
            fn tcp() {
                crate::stage::run(rserpool::Transport::Tcp, super::$test);
            }

            #[test]
            fn sctp_udp() {
                crate::stage::run(rserpool::Transport::SctpUdp, super::$test);
            }

            /// Where the kernel has none, `vm.rs` runs it in a machine whose kernel does.
            #[test]
            fn sctp() {
                if crate::stage::has_kernel_sctp() {
                    crate::stage::run(rserpool::Transport::Sctp, super::$test);
                }
            }
        })*
    };
}
pub(crate) use on_each_transport;

/// Whether this kernel has SCTP.
pub(crate) fn has_kernel_sctp() -> bool {
    let runtime = runtime();
    runtime.block_on(async { Transport::Sctp.start(None).is_ok() })
}

/// Runs a test over a transport.
pub(crate) fn run(transport: Transport, test: impl AsyncFnOnce(Stage)) {
    let stage = Stage { registrar: Registrar::start("standard", &[]), transport };
    runtime().block_on(async { tokio::time::timeout(LIMIT, test(stage)).await.expect("it is over in time") });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be had")
}

/// Where a test plays.
pub(crate) struct Stage {
    pub(crate) registrar: Registrar,
    pub(crate) transport: Transport,
}

impl Stage {
    /// The mapping that goes with the transport.
    pub(crate) fn mapping(&self) -> Mapping {
        match self.transport {
            Transport::Tcp => Mapping::Tcp,
            _ => Mapping::Sctp,
        }
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::of(Profile::Standard);
        config.registrars = vec![self.registrar.asap.to_string()];
        config.transport = self.transport;
        for (table, name, value) in sim::process::patience() {
            match (table, name) {
                ("endpoint", _) => config.endpoint.set(name, value).expect("a setting"),
                // Who is killed over SCTP over UDP is missed by its heartbeat.
                (_, "connect_timeout" | "hello_wait") => config.session.set(name, value).expect("a setting"),
                _ => {}
            }
        }
        config
    }

    pub(crate) async fn user(&self) -> PoolUser {
        PoolUser::builder().config(self.config()).build().await.expect("the transport is there")
    }

    pub(crate) async fn user_with(&self, change: impl FnOnce(&mut Config)) -> PoolUser {
        let mut config = self.config();
        change(&mut config);
        PoolUser::builder().config(config).build().await.expect("the transport is there")
    }

    /// A server in this pool, and who uses it, in the runtime of the test.
    pub(crate) fn member(&self, pool: &str, user: &PoolUser) -> PoolElementBuilder {
        PoolElement::builder(pool).user(user).listen("127.0.0.1:0").acks()
    }

    /// A server in this pool, in the runtime of the test, that answers with its identifier and the message until the test ends.
    pub(crate) async fn talker(&self, pool: &str) -> Talker {
        let user = self.user().await;
        Talker::of(self.member(pool, &user).register().await.expect("the registrar takes it"))
    }

    /// A server in the pool `echo` that offers acknowledgements, in the runtime of the test.
    pub(crate) fn element(&self, user: &PoolUser) -> PoolElementBuilder {
        PoolElement::builder("echo").user(user).listen("127.0.0.1:0").acks()
    }

    /// A server in the pool `echo` with a runtime of its own, which can die as a process does: without a word.
    pub(crate) async fn server<F, R>(&self, decide: fn(PoolElementBuilder) -> PoolElementBuilder, service: F) -> Server
    where
        F: Fn(PeSession) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let config = self.config();
        let (registered, is_registered) = oneshot::channel();
        let (die, dies) = oneshot::channel::<()>();
        let (dead, is_dead) = channel();
        std::thread::spawn(move || {
            let runtime = runtime();
            runtime.block_on(async {
                let user = PoolUser::builder().config(config).build().await.expect("the transport is there");
                let element = PoolElement::builder("echo").user(&user).listen("127.0.0.1:0").acks();
                let element = decide(element).register().await.expect("the registrar takes it");
                let _ = registered.send(element.handle().clone());
                tokio::select! {
                    _ = element.serve(service) => {}
                    _ = dies => {}
                }
            });
            // Nothing of it runs any more, so it cannot say that it goes; its sockets are closed.
            drop(runtime);
            let _ = dead.send(());
        });
        let handle = is_registered.await.expect("the server registers");
        Server { handle, die: Some(die), is_dead: Mutex::new(is_dead) }
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) handle: PeHandle,
    die: Option<oneshot::Sender<()>>,
    is_dead: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Server {
    /// It dies; its sockets are closed when this returns.
    pub(crate) fn die(&mut self) {
        drop(self.die.take());
        let is_dead = self.is_dead.get_mut().expect("nobody panics with it");
        is_dead.recv_timeout(LIMIT).expect("its runtime ends");
    }
}

/// A server that serves until the test ends.
pub(crate) struct Talker {
    pub(crate) handle: PeHandle,
}

impl Talker {
    pub(crate) fn of(element: PoolElement) -> Self {
        let handle = element.handle().clone();
        let id = handle.id;
        tokio::spawn(async move {
            let service = |session: PeSession| async move {
                while let Some(message) = session.recv_data().await? {
                    message.reply(format!("{id} {}", text(&message))).await?;
                }
                Ok(())
            };
            element.serve(service).await
        });
        Talker { handle }
    }

    /// What it answers to `text`.
    pub(crate) fn says(&self, text: &str) -> String {
        format!("{} {text}", self.handle.id)
    }
}

/// The service of a session panics: the session leaves this server.
pub(crate) async fn panics(session: PeSession) {
    let service = tokio::spawn(async move {
        let _session = session;
        panic!("this service dies, as the test wants it");
    });
    service.await.expect_err("it panics");
}

/// Waits until it is so; the test has its bound.
pub(crate) async fn until<R: Future<Output = bool>>(mut is_so: impl FnMut() -> R) {
    while !is_so().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Answers every message with itself, and acknowledges it.
pub(crate) async fn echo(session: PeSession) -> Result<()> {
    while let Some(message) = session.recv_data().await? {
        let answer = message.data().clone();
        message.reply(answer).await?;
    }
    Ok(())
}

/// Answers each message with the number of messages so far, which the cookie carries from server to server.
pub(crate) async fn count(session: PeSession) -> Result<()> {
    let mut seen: u64 = 0;
    while let Some(item) = session.recv().await? {
        match item {
            PeItem::Cookie(cookie) => seen = text(&cookie).parse().expect("our own cookie"),
            PeItem::Data(message) => {
                seen += 1;
                session.set_cookie(seen.to_string())?;
                message.reply(seen.to_string()).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Sends `message` and answers what comes back.
pub(crate) async fn ask(session: &Session, message: impl Into<rserpool::Outgoing>) -> Message {
    drop(session.send(message).await.expect("the session runs"));
    session.recv_data().await.expect("the session runs").expect("the server answers")
}

pub(crate) fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).expect("it is text")
}

pub(crate) const LIMIT: Duration = Duration::from_secs(240);
