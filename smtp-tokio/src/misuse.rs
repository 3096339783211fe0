//! What must not compile, each beside the nearest thing that does: what a connection lends. Tokens and replies are held
//! to it in the core. Error codes are compared by a nightly toolchain only.

/// There is one step at a time.
/// ```
/// # use smtp_tokio::Connection;
/// async fn serve(connection: &mut Connection) -> std::io::Result<()> {
///     let first = connection.next().await?;
///     println!("{first:?}");
///     let second = connection.next().await?;
///     println!("{second:?}");
///     Ok(())
/// }
/// ```
/// ```compile_fail,E0499
/// # use smtp_tokio::Connection;
/// async fn serve(connection: &mut Connection) -> std::io::Result<()> {
///     let first = connection.next().await?;
///     let second = connection.next().await?;
///     println!("{first:?}");
///     println!("{second:?}");
///     Ok(())
/// }
/// ```
pub struct TwoStepsAtOnce;

/// A step does not outlive its connection.
/// ```
/// # use smtp_tokio::{Connection, Step};
/// async fn first(connection: &mut Connection) -> std::io::Result<Option<Step<'_, '_>>> {
///     connection.next().await
/// }
/// ```
/// ```compile_fail,E0597
/// # use smtp_tokio::{Connection, Step};
/// async fn first<'a>(mut connection: Connection) -> std::io::Result<Option<Step<'a, 'a>>> {
///     connection.next().await
/// }
/// ```
pub struct StepPastItsConnection;

/// A mailbox ends with its step; its owned copy does not.
/// ```
/// # use smtp_tokio::{Connection, Step};
/// async fn serve(connection: &mut Connection) -> std::io::Result<()> {
///     let mut kept = None;
///     while let Some(step) = connection.next().await? {
///         if let Step::Rcpt(rcpt) = step {
///             kept = Some(rcpt.mailbox().to_owned());
///             rcpt.accept();
///         }
///         println!("{kept:?}");
///     }
///     Ok(())
/// }
/// ```
/// ```compile_fail,E0499
/// # use smtp_tokio::{Connection, Step};
/// async fn serve(connection: &mut Connection) -> std::io::Result<()> {
///     let mut kept = None;
///     while let Some(step) = connection.next().await? {
///         if let Step::Rcpt(rcpt) = step {
///             kept = Some(rcpt.mailbox());
///             rcpt.accept();
///         }
///         println!("{kept:?}");
///     }
///     Ok(())
/// }
/// ```
pub struct MailboxKept;

/// Beside a token the connection is borrowed; the token has the same facts.
/// ```
/// # use smtp_tokio::{Connection, Step};
/// async fn serve(connection: &mut Connection) -> std::io::Result<()> {
///     if let Some(Step::Mail(mail)) = connection.next().await? {
///         println!("{:?}", mail.facts().peer());
///         mail.accept();
///     }
///     Ok(())
/// }
/// ```
/// ```compile_fail,E0502
/// # use smtp_tokio::{Connection, Step};
/// async fn serve(connection: &mut Connection) -> std::io::Result<()> {
///     if let Some(Step::Mail(mail)) = connection.next().await? {
///         println!("{:?}", connection.facts().peer());
///         mail.accept();
///     }
///     Ok(())
/// }
/// ```
pub struct ConnectionBesideAToken;

/// A sink that a function returns as `impl Write` borrows from its arguments, unless it says `use<>`.
/// ```
/// # use smtp_tokio::{Connection, Peer, trace::Transcript};
/// # use std::fmt::Write;
/// fn log_of(peer: &Peer) -> impl Write + Send + Sync + use<> {
///     format!("{:?}\n", peer.remote())
/// }
/// fn log(connection: &mut Connection) {
///     let sink = log_of(connection.facts().peer());
///     connection.record(Transcript::new(sink));
/// }
/// ```
/// ```compile_fail,E0502
/// # use smtp_tokio::{Connection, Peer, trace::Transcript};
/// # use std::fmt::Write;
/// fn log_of(peer: &Peer) -> impl Write + Send + Sync {
///     format!("{:?}\n", peer.remote())
/// }
/// fn log(connection: &mut Connection) {
///     let sink = log_of(connection.facts().peer());
///     connection.record(Transcript::new(sink));
/// }
/// ```
pub struct SinkThatBorrows;
