// The function that `layer/verify` invokes, in Java; verify_function.py says what each scenario does.
// Compiled for Java 8, and without AWS's interfaces: the runtime finds VerifyFunction::handle by reflection.
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Field;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class VerifyFunction {
  private static final int WRITES = 37;
  private static final int PIECE = 100;
  private static final int SENT = 1000;
  private static final int RECEIVED = 2000;
  private static final int SLEEP_MS = 50;
  private static final int KEPT_BYTES = 100_000;
  private static final List<Object> KEPT = new ArrayList<>();

  static {
    if ("fail".equals(System.getenv("VERIFY_INIT"))) {
      throw new IllegalStateException("init fails on purpose");
    }
  }

  public static class VerifyError extends RuntimeException {
    VerifyError(String message) {
      super(message);
    }
  }

  /** `truth` is the inside of an object of JSON. */
  private static void tell(Map<String, Object> event, String truth) throws IOException {
    String line = "lamprey-verify {\"number\":" + event.get("number") + ",\"scenario\":\""
        + event.get("scenario") + "\"" + (truth.isEmpty() ? "" : "," + truth) + "}\n";
    System.out.write(line.getBytes(StandardCharsets.UTF_8));
    System.out.flush();
  }

  private static byte[] filled(int size, char with) {
    byte[] bytes = new byte[size];
    Arrays.fill(bytes, (byte) with);
    return bytes;
  }

  private static String writeFile(Object number) throws IOException {
    String path = "/tmp/verify-" + number;
    try (OutputStream file = new FileOutputStream(path)) {
      for (int i = 0; i < WRITES; i++) {
        file.write(filled(PIECE, '.'));
      }
    }
    new File(path).delete();
    return "\"file\":{\"path\":\"" + path + "\",\"writes\":" + WRITES + ",\"bytes\":" + WRITES * PIECE + "}";
  }

  private static void receive(InputStream from, int size) throws IOException {
    byte[] piece = new byte[size];
    for (int got = 0; got < size;) {
      got += from.read(piece, got, size - got);
    }
  }

  private static String talk() throws IOException {
    InetAddress here = InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
    try (ServerSocket server = new ServerSocket(0, 1, here);
        Socket client = new Socket(here, server.getLocalPort());
        Socket answering = server.accept()) {
      client.getOutputStream().write(filled(SENT, '?'));
      receive(answering.getInputStream(), SENT);
      answering.getOutputStream().write(filled(RECEIVED, '!'));
      receive(client.getInputStream(), RECEIVED);
      return "\"peer\":{\"port\":" + server.getLocalPort() + ",\"sent\":" + SENT + ",\"received\":" + RECEIVED + "}";
    }
  }

  private static Object healthy(Map<String, Object> event) throws Exception {
    String truth = writeFile(event.get("number")) + "," + talk();
    Thread.sleep(SLEEP_MS);
    tell(event, "\"slept_ms\":" + SLEEP_MS + "," + truth);
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("well", true);
    return answer;
  }

  private static void silentHost(Map<String, Object> event) throws Exception {
    InetAddress here = InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
    ServerSocket server = new ServerSocket(0, 1, here);
    Socket client = new Socket(here, server.getLocalPort());
    KEPT.add(server);
    client.getOutputStream().write('?');
    tell(event, "\"port\":" + server.getLocalPort());
    client.getInputStream().read();
  }

  private static void crash() throws Exception {
    Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
    field.setAccessible(true);
    Object unsafe = field.get(null);
    unsafe.getClass().getMethod("putLong", long.class, long.class).invoke(unsafe, 0L, 0L);
  }

  /** A file's build id, and whether it has the words by which a reader finds its way. */
  private static Map<String, Object> look(String path, String words) throws IOException {
    Map<String, Object> found = new LinkedHashMap<>();
    String note = "\4\0\0\0\24\0\0\0\3\0\0\0GNU\0";
    byte[] piece = new byte[1 << 20];
    String tail = "";
    boolean has = false;
    try (InputStream file = new FileInputStream(path)) {
      for (int n; (n = file.read(piece)) > 0;) {
        String here = tail + new String(piece, 0, n, StandardCharsets.ISO_8859_1);
        int at = found.isEmpty() ? here.indexOf(note) : -1;
        if (at >= 0 && at + 36 <= here.length()) {
          StringBuilder hex = new StringBuilder();
          for (char c : here.substring(at + 16, at + 36).toCharArray()) {
            hex.append(String.format("%02x", (int) c));
          }
          found.put("build_id", hex.toString());
        }
        has = has || here.contains(words);
        tail = here.substring(Math.max(0, here.length() - words.length()));
      }
    }
    found.put(words, has);
    return found;
  }

  private static Object binaries() throws IOException {
    Map<String, Object> found = new LinkedHashMap<>();
    for (String line : Files.readAllLines(Paths.get("/proc/self/maps"))) {
      String path = line.substring(Math.max(0, line.indexOf('/')));
      if (path.matches(".*/(libc[.-][^/]*|libjvm\\.so)") && !found.containsKey(new File(path).getName())) {
        found.put(new File(path).getName(), look(path, "gHotSpotVMStructs"));
      }
    }
    return found;
  }

  public Object handle(Map<String, Object> event) throws Exception {
    String scenario = String.valueOf(event.get("scenario"));
    switch (scenario) {
      case "healthy":
        return healthy(event);
      case "silent_host":
        silentHost(event);
        return null;
      case "leak":
        KEPT.add(ByteBuffer.allocateDirect(KEPT_BYTES));
        tell(event, "\"kept_bytes\":" + KEPT_BYTES);
        return null;
      case "error":
        tell(event, "\"error_type\":\"VerifyError\"");
        throw new VerifyError("on purpose");
      default:
        tell(event, "");
    }
    switch (scenario) {
      case "large_response":
        return new String(filled(((Number) event.get("bytes")).intValue(), 'x'), StandardCharsets.US_ASCII);
      case "busy_loop":
        for (long i = 0; ; i++) {
          if (i < 0) {
            return i;
          }
        }
      case "exit":
        Runtime.getRuntime().halt(3);
        return null;
      case "crash":
        crash();
        return null;
      case "binaries":
        return binaries();
      default:
        throw new IllegalArgumentException(scenario);
    }
  }
}
