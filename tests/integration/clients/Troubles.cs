// The troubles of the table in docs/clients.md, for .NET, with a small client of Lambda's Runtime API.
using System;
using System.Collections.Generic;
using System.Net.Http;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

public static class Troubles {
  static readonly List<byte[]> kept = new List<byte[]>();
  static int number;

  static int Ask(int port) {
    using (var client = new TcpClient("127.0.0.1", port)) {
      NetworkStream stream = client.GetStream();
      byte[] question = Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: quiet\r\n\r\n");
      stream.Write(question, 0, question.Length);
      return stream.ReadByte();
    }
  }

  static int AskInWorker(int port) {
    return Task.Run(() => Ask(port)).Result;
  }

  static void Compute() {
    while (true) {
      number = number * 31 + 7;
    }
  }

  static void Remember() {
    while (true) {
      var block = new byte[1 << 20];
      Array.Fill(block, (byte)1);
      kept.Add(block);
    }
  }

  static void Handle(string way, int port) {
    switch (way) {
      case "error": throw new KeyNotFoundException("no such customer");
      case "busy": Compute(); break;
      case "silent": Ask(port); break;
      case "worker": AskInWorker(port); break;
      case "memory": Remember(); break;
      case "exit": Environment.Exit(3); break;
      case "crash": Marshal.ReadInt32(IntPtr.Zero, 1 << 20); break;
    }
  }

  static void Answer(HttpClient http, string id, string kind, string body) {
    string path = "/2018-06-01/runtime/invocation/" + id + "/" + kind;
    http.PostAsync(path, new StringContent(body)).Result.Dispose();
  }

  public static void Main() {
    string api = Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API");
    var http = new HttpClient { BaseAddress = new Uri("http://" + api), Timeout = TimeSpan.FromDays(1) };
    while (true) {
      using (HttpResponseMessage next = http.GetAsync("/2018-06-01/runtime/invocation/next").Result) {
        string id = string.Join("", next.Headers.GetValues("Lambda-Runtime-Aws-Request-Id"));
        string work = next.Content.ReadAsStringAsync().Result;
        string way = Regex.Match(work, "\"way\": *\"([a-z]+)\"").Groups[1].Value;
        int port = int.Parse(Regex.Match(work, "\"port\": *([0-9]+)").Groups[1].Value);
        try {
          Handle(way, port);
          Answer(http, id, "response", "{\"way\": \"" + way + "\"}");
        } catch (Exception e) {
          Answer(http, id, "error", "{\"errorMessage\": \"\", \"errorType\": \"" + e.GetType().Name + "\"}");
        }
      }
    }
  }
}
