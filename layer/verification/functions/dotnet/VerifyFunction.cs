// The function that `layer/verify` invokes, in C#; verify_function.py says what each scenario does.
// Takes and gives streams, so it needs no package of AWS's; compiled against what every .NET has (mscorlib, System).
using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;

public class VerifyError : Exception {
  public VerifyError(string message) : base(message) {}
}

public class VerifyFunction {
  const int Writes = 37;
  const int Piece = 100;
  const int Sent = 1000;
  const int Received = 2000;
  const int SleepMs = 50;
  const int KeptBytes = 100000;
  const int Megabyte = 1000000;
  static readonly List<object> kept = new List<object>();
  static long rounds;

  public VerifyFunction() {
    if (Environment.GetEnvironmentVariable("VERIFY_INIT") == "fail") {
      throw new InvalidOperationException("init fails on purpose");
    }
  }

  // Of the event, which has words and numbers only.
  static string Member(string work, string name) {
    return Regex.Match(work, "\"" + name + "\": *\"?([a-z_0-9]+)").Groups[1].Value;
  }

  // `truth` is the inside of an object of JSON.
  static void Tell(string work, string truth) {
    string line = "lamprey-verify {\"number\":" + Member(work, "number") + ",\"scenario\":\""
        + Member(work, "scenario") + "\"" + (truth == "" ? "" : "," + truth) + "}\n";
    byte[] bytes = Encoding.UTF8.GetBytes(line);
    using (Stream output = Console.OpenStandardOutput()) {
      output.Write(bytes, 0, bytes.Length);
    }
  }

  static byte[] Filled(int size, char with) {
    var bytes = new byte[size];
    for (int i = 0; i < size; i++) {
      bytes[i] = (byte)with;
    }
    return bytes;
  }

  static string WriteFile(string number) {
    string path = "/tmp/verify-" + number;
    using (var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1)) {
      for (int i = 0; i < Writes; i++) {
        file.Write(Filled(Piece, '.'), 0, Piece);
        file.Flush();
      }
    }
    File.Delete(path);
    return "\"file\":{\"path\":\"" + path + "\",\"writes\":" + Writes + ",\"bytes\":" + Writes * Piece + "}";
  }

  static void Receive(Socket from, int size) {
    var piece = new byte[size];
    for (int got = 0; got < size;) {
      got += from.Receive(piece, got, size - got, SocketFlags.None);
    }
  }

  static Socket Listen() {
    var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
    server.Listen(1);
    return server;
  }

  static Socket Connect(Socket server) {
    var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    client.Connect(server.LocalEndPoint);
    return client;
  }

  static int PortOf(Socket server) {
    return ((IPEndPoint)server.LocalEndPoint).Port;
  }

  static string Talk() {
    using (Socket server = Listen())
    using (Socket client = Connect(server))
    using (Socket answering = server.Accept()) {
      client.Send(Filled(Sent, '?'));
      Receive(answering, Sent);
      answering.Send(Filled(Received, '!'));
      Receive(client, Received);
      return "\"peer\":{\"port\":" + PortOf(server) + ",\"sent\":" + Sent + ",\"received\":" + Received + "}";
    }
  }

  static string Healthy(string work) {
    string truth = WriteFile(Member(work, "number")) + "," + Talk();
    Thread.Sleep(SleepMs);
    Tell(work, "\"slept_ms\":" + SleepMs + "," + truth);
    return "{\"well\":true}";
  }

  static void SilentHost(string work) {
    Socket server = Listen();
    Socket client = Connect(server);
    kept.Add(server);
    client.Send(new byte[] { (byte)'?' });
    Tell(work, "\"port\":" + PortOf(server));
    client.Receive(new byte[1]);
  }

  static void BusyLoop() {
    while (true) {
      rounds = rounds * 31 + 7;
    }
  }

  // Outside of the collector's heap, which has a limit of its own and reports an error.
  static void Keep(int size) {
    IntPtr block = Marshal.AllocHGlobal(size);
    for (int at = 0; at < size; at += 4096) {
      Marshal.WriteByte(block, at, 1);
    }
    kept.Add(block);
  }

  static string BuildIdOf(string path) {
    byte[] note = { 4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, (byte)'G', (byte)'N', (byte)'U', 0 };
    byte[] bytes = File.ReadAllBytes(path);
    for (int at = 0; at + 36 <= bytes.Length; at += 4) {
      int same = 0;
      while (same < note.Length && bytes[at + same] == note[same]) {
        same++;
      }
      if (same == note.Length) {
        return BitConverter.ToString(bytes, at + 16, 20).Replace("-", "").ToLowerInvariant();
      }
    }
    return "";
  }

  static string Binaries() {
    var found = new List<string>();
    var seen = new HashSet<string>();
    foreach (string line in File.ReadAllLines("/proc/self/maps")) {
      Match match = Regex.Match(line, "(/.*/(libc[.-][^/]*|libcoreclr\\.so))$");
      if (match.Success && seen.Add(match.Groups[2].Value)) {
        found.Add("\"" + match.Groups[2].Value + "\":{\"build_id\":\"" + BuildIdOf(match.Groups[1].Value) + "\"}");
      }
    }
    return "{" + string.Join(",", found.ToArray()) + "}";
  }

  static string Answer(string work) {
    string scenario = Member(work, "scenario");
    switch (scenario) {
      case "healthy":
        return Healthy(work);
      case "silent_host":
        SilentHost(work);
        return "null";
      case "leak":
        Keep(KeptBytes);
        Tell(work, "\"kept_bytes\":" + KeptBytes);
        return "null";
      case "error":
        Tell(work, "\"error_type\":\"VerifyError\"");
        throw new VerifyError("on purpose");
    }
    Tell(work, "");
    switch (scenario) {
      case "large_response":
        return "\"" + new string('x', int.Parse(Member(work, "bytes"))) + "\"";
      case "busy_loop":
        BusyLoop();
        return "null";
      case "out_of_memory":
        while (true) {
          Keep(Megabyte);
        }
      case "exit":
        Environment.Exit(3);
        return "null";
      case "crash":
        Marshal.WriteInt64(new IntPtr(1 << 20), 0);
        return "null";
      case "binaries":
        return Binaries();
    }
    throw new ArgumentException(scenario);
  }

  public Stream Handle(Stream work) {
    using (var reader = new StreamReader(work)) {
      return new MemoryStream(Encoding.UTF8.GetBytes(Answer(reader.ReadToEnd())));
    }
  }
}
