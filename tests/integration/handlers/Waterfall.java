// The same work as waterfall.py's and the same line, with a small client of Lambda's Runtime API.
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URL;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class Waterfall {
  private static final int PORT = 18443;
  private static final int LOCK_MS = 20;
  private static final int CPU_MS = 30;
  private static final String PIPE = System.getenv("PIPE");
  private static final String API =
      "http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/";

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private static final TrustManager ANY = new X509TrustManager() {
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  };

  private StringBuilder steps = new StringBuilder("[");
  private long first = 0;

  private <T> T timed(String name, Callable<T> work) throws Exception {
    long before = THREADS.getCurrentThreadCpuTime();
    long begin = System.nanoTime();
    first = first == 0 ? begin : first;
    T result = work.call();
    double took = (System.nanoTime() - begin) / 1e6;
    double used = (THREADS.getCurrentThreadCpuTime() - before) / 1e6;
    steps.append(steps.length() > 1 ? "," : "").append("[\"").append(name).append("\",")
        .append((begin - first) / 1e6).append(',').append(took).append(',').append(used).append(']');
    return result;
  }

  private static Void query(SSLSocket stream) throws Exception {
    stream.getOutputStream().write('q');
    stream.getInputStream().read();
    return null;
  }

  private static Void readPipe() throws Exception {
    try (InputStream pipe = new FileInputStream(PIPE)) {
      pipe.read(new byte[16]);
    }
    return null;
  }

  /** Held by another thread, for LOCK_MS from now. */
  private static ReentrantLock heldLock() throws Exception {
    ReentrantLock lock = new ReentrantLock();
    CountDownLatch taken = new CountDownLatch(1);
    new Thread(() -> {
      lock.lock();
      taken.countDown();
      try {
        Thread.sleep(LOCK_MS);
      } catch (InterruptedException stop) {
        Thread.currentThread().interrupt();
      } finally {
        lock.unlock();
      }
    }).start();
    taken.await();
    return lock;
  }

  private static Void compute() {
    long end = THREADS.getCurrentThreadCpuTime() + CPU_MS * 1_000_000L;
    while (THREADS.getCurrentThreadCpuTime() < end) {
    }
    return null;
  }

  private void handle(SSLContext context) throws Exception {
    timed("dns", () -> InetAddress.getByName("db.internal.example"));
    Socket connection = timed("connect", () -> new Socket("127.0.0.1", PORT));
    connection.setTcpNoDelay(true);
    SSLSocket stream = timed("tls", () -> {
      SSLSocket secure = (SSLSocket)
          context.getSocketFactory().createSocket(connection, "localhost", PORT, true);
      secure.startHandshake();
      return secure;
    });
    for (int i = 0; i < 3; i++) {
      timed("query", () -> query(stream));
    }
    timed("pipe", Waterfall::readPipe);
    ReentrantLock lock = heldLock();
    timed("lock", () -> {
      lock.lock();
      return null;
    });
    timed("cpu", Waterfall::compute);
    stream.close();
    System.out.println("steps " + steps.append(']'));
  }

  public static void main(String[] arguments) throws Exception {
    Process server = new ProcessBuilder(System.getenv("PLAIN_PYTHON"), "waterfall_server.py",
        Integer.toString(PORT), System.getenv("CERTIFICATE"), PIPE).start();
    server.getInputStream().read();
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, new TrustManager[] {ANY}, new SecureRandom());
    while (true) {
      HttpURLConnection next = (HttpURLConnection) new URL(API + "next").openConnection();
      String id = next.getHeaderField("Lambda-Runtime-Aws-Request-Id");
      try (InputStream body = next.getInputStream()) {
        body.readAllBytes();
      }
      new Waterfall().handle(context);
      HttpURLConnection post = (HttpURLConnection) new URL(API + id + "/response").openConnection();
      post.setDoOutput(true);
      try (OutputStream body = post.getOutputStream()) {
        body.write("null".getBytes());
      }
      post.getInputStream().readAllBytes();
    }
  }
}
