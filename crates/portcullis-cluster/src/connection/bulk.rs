//! A TCP connection that is read in large pieces.
//!
//! An API server sends a list object by object, a few KiB at a time and as fast as it can write them. Whoever takes each
//! as it comes is woken for it, asks the system twice and hands it through all layers, which costs more than reading what
//! is in it. So of an answer that goes on for long the next piece is taken after a millisecond, whatever came by then.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The most that is taken at once. It is asked of the system as pages of its own, of which a connection that is told little
/// touches the first ones alone.
const PIECE: usize = 128 << 10;
/// From so many bytes on an answer goes on for long: most are shorter, and somebody waits for them.
const LONG: usize = 64 << 10;
/// Between two pieces.
const PAUSE: Duration = Duration::from_millis(1);

/// The connection.
#[derive(Debug)]
pub(super) struct Bulk {
    stream: BufReader<TcpStream>,
    /// How much was read since something was written.
    answered: usize,
    /// Ends when the next piece may be taken.
    pause: Pin<Box<Sleep>>,
    is_paused: bool,
}

impl Bulk {
    /// Belongs to the runtime that it is made in.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream: BufReader::with_capacity(PIECE, stream),
            answered: 0,
            pause: Box::pin(sleep_until(Instant::now())),
            is_paused: false,
        }
    }
}

impl AsyncRead for Bulk {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.stream.buffer().is_empty() && this.is_paused {
            ready!(this.pause.as_mut().poll(context));
            this.is_paused = false;
        }
        let was_empty = this.stream.buffer().is_empty();
        let piece = ready!(Pin::new(&mut this.stream).poll_fill_buf(context))?;
        if was_empty {
            this.answered = this.answered.saturating_add(piece.len());
            if this.answered > LONG && piece.len() < PIECE {
                this.pause.as_mut().reset(Instant::now() + PAUSE);
                this.is_paused = true;
            }
        }
        let taken = piece.len().min(into.remaining());
        into.put_slice(piece.get(..taken).unwrap_or_default());
        Pin::new(&mut this.stream).consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bulk {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.answered = 0;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answered = 0;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connection for Bulk {
    fn connected(&self) -> Connected {
        self.stream.get_ref().connected()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (TcpStream, Bulk) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, connected) = tokio::join!(listener.accept(), connecting);
        (accepted.unwrap().0, Bulk::new(connected.unwrap()))
    }

    #[tokio::test]
    async fn what_is_sent_arrives_whole_whatever_the_pieces_and_both_ways() {
        let (mut server, mut client) = connected().await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let told = sent.clone();
        let serving = tokio::spawn(async move {
            let mut asked = [0; 3];
            server.read_exact(&mut asked).await.unwrap();
            for piece in told.chunks(3_333) {
                server.write_all(piece).await.unwrap();
            }
            asked
        });
        client.write_all(b"get").await.unwrap();
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
        assert_eq!(&serving.await.unwrap(), b"get");
    }

    #[tokio::test]
    async fn a_short_answer_is_not_held_up_and_a_long_one_is_until_the_next_request() {
        let (mut server, mut client) = connected().await;
        let mut short = vec![0; LONG];
        server.write_all(&short).await.unwrap();
        client.read_exact(&mut short).await.unwrap();
        assert!(!client.is_paused);
        server.write_all(b"more").await.unwrap();
        client.read_exact(&mut short[..4]).await.unwrap();
        assert!(client.is_paused);
        client.write_all(b"next").await.unwrap();
        server.write_all(b"more").await.unwrap();
        client.read_exact(&mut short[..4]).await.unwrap();
        assert!(!client.is_paused);
    }
}
