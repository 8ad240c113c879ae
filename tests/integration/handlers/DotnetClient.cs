// A client of Lambda's Runtime API for a .NET function that takes and gives streams, as AWS's own loads one. The
// function: FUNCTION, an assembly; its type has the assembly's name, and its method is Handle.
using System;
using System.IO;
using System.Net.Http;
using System.Reflection;

public static class DotnetClient {
  static void Answer(HttpClient http, string id, string kind, HttpContent body) {
    http.PostAsync("/2018-06-01/runtime/invocation/" + id + "/" + kind, body).Result.Dispose();
  }

  static void Serve(HttpClient http, Func<Stream, Stream> handle) {
    using (HttpResponseMessage next = http.GetAsync("/2018-06-01/runtime/invocation/next").Result) {
      string id = string.Join("", next.Headers.GetValues("Lambda-Runtime-Aws-Request-Id"));
      try {
        Answer(http, id, "response", new StreamContent(handle(next.Content.ReadAsStreamAsync().Result)));
      } catch (Exception e) {
        string text = "{\"errorMessage\": \"\", \"errorType\": \"" + e.GetType().Name + "\"}";
        Answer(http, id, "error", new StringContent(text));
      }
    }
  }

  public static void Main() {
    string path = Environment.GetEnvironmentVariable("FUNCTION");
    Type type = Assembly.LoadFrom(path).GetType(Path.GetFileNameWithoutExtension(path));
    MethodInfo method = type.GetMethod("Handle");
    var handle = (Func<Stream, Stream>)Delegate.CreateDelegate(
        typeof(Func<Stream, Stream>), Activator.CreateInstance(type), method);
    string api = Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API");
    var http = new HttpClient { BaseAddress = new Uri("http://" + api), Timeout = TimeSpan.FromDays(1) };
    while (true) {
      Serve(http, handle);
    }
  }
}
