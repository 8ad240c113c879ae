// What .NET does with signals, stacks and memory, all at once, for a while: collections, exceptions (those of the
// processor, too), locks, timers, sockets that complete in the pool, children, code that is compiled meanwhile.
// Prints what each part has counted; the same in every run.
//
//   Stress TIMES [without-children]
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

public static class Stress {
  sealed class Node {
    public Node Next;
    public int Value;
    public byte[] Ballast;
  }

  interface IShape {
    int Area(int side);
  }
  struct Square<T> : IShape {
    public int Area(int side) {
      return side * side + typeof(T).Name.Length;
    }
  }

  [DllImport("libc", EntryPoint = "getppid")]
  static extern int ParentOf();

  static readonly object gate = new object();
  static long guarded;

  [MethodImpl(MethodImplOptions.NoInlining)]
  static int Deep(int depth) {
    return depth == 0 ? Environment.StackTrace.Length > 0 ? 1 : 0 : Deep(depth - 1);
  }

  static long Collect(int rounds) {
    long sum = 0;
    for (int i = 0; i < rounds; i++) {
      Node first = null;
      for (int j = 0; j < 2000; j++) {
        first = new Node { Next = first, Value = j, Ballast = new byte[j % 97] };
      }
      for (Node node = first; node != null; node = node.Next) {
        sum += node.Value;
      }
      if (i % 20 == 0) {
        GC.Collect(i % 3);
      }
    }
    return sum;
  }

  static long Throw(int rounds) {
    long caught = 0;
    Node none = null;
    for (int i = 0; i < rounds; i++) {
      try {
        if (i % 3 == 0) {
          throw new InvalidOperationException("on purpose");
        }
        caught += i % 3 == 1 ? none.Value : i / (i % 3 - 2);
      } catch (InvalidOperationException) {
        caught += 1;
      } catch (NullReferenceException) {  // the processor's SIGSEGV
        caught += 10;
      } catch (DivideByZeroException) {  // its SIGFPE
        caught += 100;
      }
    }
    return caught;
  }

  static long Lock(int rounds) {
    for (int i = 0; i < rounds; i++) {
      lock (gate) {
        guarded++;
      }
      if (i % 500 == 0) {
        Thread.Yield();
        Thread.Sleep(0);
      }
    }
    return rounds;
  }

  static long Call(int rounds) {
    long deep = 0;
    int parent = ParentOf();
    for (int i = 0; i < rounds; i++) {
      deep += ParentOf() == parent ? Deep(20) : 0;
    }
    return deep;
  }

  static int Shapes<T>() {
    IShape shape = new Square<T>();
    int sum = 0;
    for (int i = 0; i < 100; i++) {
      sum += shape.Area(i);
    }
    return sum;
  }

  static long Compile(int rounds) {
    long sum = 0;
    for (int i = 0; i < rounds; i++) {
      sum += Shapes<int>() + Shapes<string>() + Shapes<List<int>>() + Shapes<Dictionary<int, string>>();
    }
    return sum;
  }

  static async Task<long> Echo(int rounds) {
    var listener = new TcpListener(IPAddress.Loopback, 0);
    listener.Start();
    Task<TcpClient> accepted = listener.AcceptTcpClientAsync();
    using (var client = new TcpClient()) {
      await client.ConnectAsync(IPAddress.Loopback, ((IPEndPoint)listener.LocalEndpoint).Port);
      using (TcpClient other = await accepted) {
        var bytes = new byte[100];
        long sum = 0;
        for (int i = 0; i < rounds; i++) {
          await client.GetStream().WriteAsync(bytes, 0, bytes.Length);
          for (int got = 0; got < bytes.Length;) {
            got += await other.GetStream().ReadAsync(bytes, got, bytes.Length - got);
          }
          sum += bytes.Length;
        }
        listener.Stop();
        return sum;
      }
    }
  }

  static long Start(int rounds) {
    long ended = 0;
    for (int i = 0; i < rounds; i++) {
      using (Process child = Process.Start(new ProcessStartInfo("/bin/true"))) {
        child.WaitForExit();
        ended += child.ExitCode == 0 ? 1 : 0;
      }
    }
    return ended;
  }

  public static void Main(string[] words) {
    int times = int.Parse(words[0]);
    long ticks = 0;
    var parts = new Dictionary<string, Func<long>> {
      { "collect", () => Collect(60 * times) }, { "throw", () => Throw(300 * times) },
      { "lock", () => Lock(20000 * times) },    { "call", () => Call(40 * times) },
      { "compile", () => Compile(200 * times) }, { "echo", () => Echo(150 * times).Result },
    };
    if (words.Length < 2) {  // its handler of SIGCHLD writes to a pipe, wherever it comes
      parts.Add("start", () => Start(2 * times));
    }
    using (new Timer(_ => Interlocked.Increment(ref ticks), null, 1, 1)) {
      var threads = new List<Thread>();
      var counted = new SortedDictionary<string, long>();
      foreach (KeyValuePair<string, Func<long>> part in parts) {
        for (int twice = 0; twice < 2; twice++) {
          string name = part.Key + twice;
          Func<long> work = part.Value;
          var thread = new Thread(() => {
            long found = work();
            lock (counted) {
              counted[name] = found;
            }
          });
          thread.Start();
          threads.Add(thread);
        }
      }
      threads.ForEach(thread => thread.Join());
      foreach (KeyValuePair<string, long> part in counted) {
        Console.WriteLine(part.Key + " " + part.Value);
      }
      Console.WriteLine("guarded " + guarded + (ticks > 0 ? ", and the timer came" : ", and no timer came"));
    }
  }
}
