"""Makes refused calls with a body over kept connections: URL, header lines, calls, threads. Prints how many answers
of each status came. A connection that ends without `Connection: close` fails."""
import http.client, json, sys, threading, urllib.parse
from collections import Counter

url, headers, calls, threads = sys.argv[1], dict(l.split(": ", 1) for l in sys.argv[2].split("\n")), *map(int, sys.argv[3:])
host = urllib.parse.urlsplit(url)
answers, failed = Counter(), []


def work():
    try:
        connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
        for _ in range(calls // threads):
            connection.request("PUT", host.path, b"{" + b" " * 20_000 + b"}", headers)
            answer = connection.getresponse()
            answer.read()
            answers[answer.status] += 1
    except Exception as error:
        failed.append(repr(error))


pool = [threading.Thread(target=work) for _ in range(threads)]
[t.start() for t in pool], [t.join() for t in pool]
if failed:
    sys.exit("\n".join(failed))
print(json.dumps(answers))
