import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Allocates natively at the end of every kind of Java stack, and prints what Java says of each. */
public class Frames {
  public static final sun.misc.Unsafe UNSAFE = unsafe();
  public static final long BYTES = 1L << 30; // always sampled
  static boolean asked;
  static String phase = "";
  static int sink;

  static sun.misc.Unsafe unsafe() {
    try {
      Field field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
      field.setAccessible(true);
      return (sun.misc.Unsafe) field.get(null);
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  static void probe() {
    if (asked) {
      sample();
    }
  }

  static void sample() {
    StackTraceElement[] frames = new Throwable().getStackTrace();
    UNSAFE.freeMemory(UNSAFE.allocateMemory(BYTES));
    StringBuilder line = new StringBuilder("stack ").append(phase);
    for (int i = 1; i < frames.length; i++) {
      StackTraceElement frame = frames[i];
      line.append('\t').append(frame.getClassName()).append('.').append(frame.getMethodName());
      line.append(" (").append(frame.getFileName() == null ? "" : frame.getFileName());
      line.append(':').append(Math.max(frame.getLineNumber(), 0)).append(')');
    }
    System.out.println(line);
  }

  // -- inlined into each other
  static void a(int n) { sink += n; b(n + 1); }

  static void b(int n) {
    if (n == -5) sink++;
    c(n * 2);
  }

  static void c(int n) {
    for (int i = 0; i < 1; i++) d(n);
  }

  static void d(int n) {
    sink ^= n;
    probe();
  }

  static int recursive(int n) {
    if (n == 0) {
      probe();
      return 1;
    }
    return recursive(n - 1) + 1;
  }

  interface Shape { void go(); }

  static class First implements Shape {
    public void go() { sink++; probe(); }
  }

  static class Second implements Shape {
    public void go() { sink += 2; probe(); }
  }

  static class Third implements Shape {
    public synchronized void go() { sink += 3; probe(); }
  }

  static final Shape[] SHAPES = {new First(), new Second(), new Third()};

  static void megamorphic(int i) { SHAPES[i % 3].go(); }

  static void lambdas() {
    Runnable outer = () -> {
      sink++;
      Supplier<Integer> inner = () -> { probe(); return 1; };
      sink += inner.get();
    };
    outer.run();
  }

  static void streams() {
    sink += IntStream.range(0, 3).boxed().map(i -> { if (i == 1) probe(); return i + 1; })
        .filter(i -> i > 0).collect(Collectors.toList()).size();
  }

  public static void target(int x) { sink += x; probe(); }

  static Method method;
  static Method manyArguments;
  static MethodHandle handle;

  static void reflection() throws Exception { method.invoke(null, 3); }

  static void handles() throws Throwable { handle.invokeExact(4); }

  static void thrower() { throw new IllegalStateException("x"); }

  static void caught() {
    try {
      thrower();
    } catch (IllegalStateException e) {
      sink++;
      probe();
    } finally {
      sink += 2;
    }
  }

  static void atLast() {
    try {
      try {
        thrower();
      } finally {
        probe();
      }
    } catch (IllegalStateException e) {
      sink++;
    }
  }

  static class Made {
    final int value;

    Made(int x) { value = x; probe(); }
  }

  static class Initialised {
    static int value;

    static { value = 1; probe(); }
  }

  static void locked(Object lock) {
    synchronized (lock) {
      d(2);
    }
  }

  static synchronized void replacedOnStack() {
    for (int i = 0; i < 60000; i++) {
      sink += i;
      if (i == 59990) probe();
    }
  }

  static void comparators() {
    Integer[] numbers = {3, 1, 2};
    boolean[] once = {false};
    Arrays.sort(numbers, (p, q) -> {
      if (!once[0]) {
        once[0] = true;
        probe();
      }
      return p - q;
    });
  }

  static void deep(int n) {
    if (n <= 0) probe();
    else if ((n & 1) == 0) deepWithText(n - 1, "x", 1.5);
    else deepWithMany(n - 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  }

  static void deepWithText(int n, String s, double z) { sink += s.length(); deep(n); }

  static void deepWithMany(int n, int a, int b, int c, int d, int e, int f, int g, int h, int i,
      long j) {
    sink += a + b + c + d + e + f + g + h + i + (int) j;
    deep(n);
  }

  static void manyReflected() throws Exception {
    manyArguments.invoke(null, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10L);
  }

  @SuppressWarnings("removal")
  static void privileged() {
    java.security.AccessController.doPrivileged(
        (java.security.PrivilegedAction<Integer>) () -> { probe(); return 1; });
  }

  static void all() throws Throwable {
    a(1);
    recursive(5);
    for (int i = 0; i < 3; i++) megamorphic(i);
    lambdas();
    streams();
    reflection();
    handles();
    caught();
    atLast();
    new Made(3);
    locked("k");
    replacedOnStack();
    comparators();
    deep(12);
    manyReflected();
    privileged();
    recursive(60);
  }

  static void ask(String name) throws Throwable {
    phase = name;
    asked = true;
    all();
    asked = false;
  }

  public static void main(String[] arguments) throws Throwable {
    int warm = Integer.parseInt(arguments[0]);
    method = Frames.class.getMethod("target", int.class);
    handle = MethodHandles.lookup()
        .findStatic(Frames.class, "target", MethodType.methodType(void.class, int.class));
    for (Method m : Frames.class.getDeclaredMethods()) {
      if (m.getName().equals("deepWithMany")) manyArguments = m;
    }
    ask("cold");
    asked = true;
    new Initialised();
    asked = false;
    for (int i = 0; i < warm; i++) all();
    Thread.sleep(200);
    ask("warm");
    for (int round = 0; round < 5; round++) {
      for (int i = 0; i < warm / 10; i++) all();
      ask("warmer" + round);
    }
    Thread thread = new Thread(() -> {
      try {
        ask("thread");
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
    });
    thread.start();
    thread.join();
    List<Object> kept = new ArrayList<>();
    kept.add(sink);
  }
}
