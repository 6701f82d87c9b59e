"""A mail server for one test: SMTP over TLS on PORT with the certificate in FILE. Prints the recipient of each mail."""
import socket, ssl, sys, threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
server = context.wrap_socket(socket.create_server(("127.0.0.1", int(sys.argv[1]))), server_side=True)


def converse(connection):
    lines = connection.makefile("rb")
    say = lambda reply: connection.sendall(reply + b"\r\n")
    say(b"220 mail.example ESMTP")
    for line in lines:
        verb = line[:4].upper()
        if verb == b"RCPT":
            recipient = line.split(b"<")[1].split(b">")[0].decode()
        if verb == b"DATA":
            say(b"354 go on")
            while next(lines) != b".\r\n":
                pass
            print(recipient, flush=True)
        say(b"221 bye" if verb == b"QUIT" else b"250 ok")


while True:
    try:
        threading.Thread(target=converse, args=(server.accept()[0],), daemon=True).start()
    except OSError:
        pass  # a failed handshake
