// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mirror: serves the files of a directory in the pool `mirror`. That all mirrors have the same files is somebody else's business.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use mirror::{NO_FILE, Portion, Request};
use rserpool::{Error, PeSession, Policy, PoolElement, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(Error::Config("usage: file_pe DIRECTORY".to_owned()));
    };
    let pe = PoolElement::builder("mirror").policy(Policy::Random).register().await?;
    println!("{}", pe.handle().id);
    pe.serve(|session| {
        let directory = directory.clone();
        async move {
            while let Some(message) = session.recv_data().await? {
                match Request::decode(&message) {
                    Some(request) => answer(&session, &directory, &request).await?,
                    None => session.close().await?,
                }
            }
            Ok(())
        }
    })
    .await
}

/// One request, as many portions as it takes.
async fn answer(session: &PeSession, directory: &Path, request: &Request) -> Result<()> {
    let (mut file, total) = match open(directory, request) {
        Ok(opened) => opened,
        Err(error) => {
            let data = error.to_string();
            session.send(Portion { offset: 0, total: NO_FILE, data: data.as_bytes() }.encode()).await?;
            return Ok(());
        }
    };
    let mut offset = request.offset;
    let mut buffer = vec![0; PORTION];
    loop {
        let length = file.read(&mut buffer)?;
        // Ready when there is room in the window, so a slow client is not flooded. An empty file is one empty portion.
        session.send(Portion { offset, total, data: &buffer[..length] }.encode()).await?;
        offset += length as u64;
        if length == 0 || offset >= total {
            return Ok(());
        }
    }
}

fn open(directory: &Path, request: &Request) -> io::Result<(File, u64)> {
    let name = Path::new(&request.name);
    // Nothing outside the directory.
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such name"));
    }
    let mut file = File::open(directory.join(name))?;
    let total = file.metadata()?.len();
    file.seek(SeekFrom::Start(request.offset))?;
    Ok((file, total))
}

const PORTION: usize = 32 * 1024;
