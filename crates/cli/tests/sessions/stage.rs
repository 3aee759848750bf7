// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar and pool elements as processes, for one test. They die with it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rserpool::{Config, Items, PeId, PoolUser, Session};
use sim::process::free_port;

use crate::patient;

/// What runs.
pub(crate) struct Stage {
    registrar: Process,
    pub(crate) address: SocketAddr,
    servers: HashMap<u32, Process>,
    next_id: u32,
}

/// A child process that is killed when it is dropped.
pub(crate) struct Process(Child);

impl Stage {
    /// A registrar and so many pool elements of pool `demo`.
    pub(crate) async fn set_up(servers: u32) -> Stage {
        let address = free_port();
        let mut stage = Stage { registrar: registrar(address), address, servers: HashMap::new(), next_id: 1 };
        for _ in 0..servers {
            stage.add_server();
        }
        stage.in_pool(servers as usize).await;
        stage
    }

    /// One more pool element; registered when this returns.
    pub(crate) fn add_server(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let listen = free_port().to_string();
        let process = Process::start(
            Command::new(env!("CARGO_BIN_EXE_rsp"))
                .args(["demo-pe", "--registrar", &self.address.to_string(), "--listen", &listen])
                .args(["--advertise", &listen, "--id", &id.to_string(), "--weight", "1"])
                // Its end tells the server that the test is over.
                .stdin(Stdio::piped()),
        );
        self.servers.insert(id, process);
        id
    }

    pub(crate) fn kill_server(&mut self, id: PeId) {
        let process = self.servers.remove(&id.0).expect("a server of this test");
        process.signal(Signal::SIGKILL);
    }

    pub(crate) fn registrar(&self) -> &Process {
        &self.registrar
    }

    /// `kill -9`, and a new one that knows nothing, on the same port.
    pub(crate) fn restart_registrar(&mut self) {
        self.registrar.signal(Signal::SIGKILL);
        self.registrar.0.wait().expect("it is our child");
        self.registrar = registrar(self.address);
    }

    pub(crate) async fn user(&self) -> PoolUser {
        self.user_with(patient::config()).await
    }

    pub(crate) async fn user_with(&self, config: Config) -> PoolUser {
        let user = PoolUser::builder().config(config).registrar(self.address.to_string());
        user.build().await.expect("an address needs no resolver")
    }

    pub(crate) async fn session(&self) -> Session {
        self.user().await.session("demo").connect().await.expect("the pool has servers")
    }

    /// Waits until so many pool elements are in the pool, as a pool user sees it that asks anew.
    pub(crate) async fn in_pool(&self, count: usize) {
        for _ in 0..2_400 {
            if let Ok(pool) = self.user().await.resolve_fresh("demo", Items::All).await
                && pool.elements.len() == count
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{count} pool elements are not in the pool within 2 minutes");
    }
}

impl Process {
    pub(crate) fn of(child: Child) -> Process {
        Process(child)
    }

    /// Starts it and waits for the first line on its standard output.
    pub(crate) fn start(command: &mut Command) -> Process {
        let mut process = Process(command.stdout(Stdio::piped()).spawn().expect("the program was built"));
        let stdout = process.0.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a pipe can be read");
        assert!(!line.is_empty(), "it ended instead of being ready; see its message above");
        process
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("process ids are positive");
        kill(Pid::from_raw(pid), signal).expect("it has not been waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The other program of this workspace, next to ours.
pub(crate) fn registrar_program() -> Command {
    sim::process::program("rsp-registrar", "rsp-registrar")
}

fn registrar(address: SocketAddr) -> Process {
    Process::start(
        registrar_program()
            .args([
                "--profile",
                "fast",
                "--asap",
                &address.to_string(),
                "--enrp",
                "127.0.0.1:0",
                "--admin",
                "off",
                "--announce-ready",
                "--set",
                "keep_alive_timeout=20s",
                "--set",
                "connect_timeout=20s",
            ])
            .env("RSERPOOL_LOG", "warn")
            .stdin(Stdio::null()),
    )
}
