package klamm.lab;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashSet;
import java.util.Set;

/** A port that leads to a server while it is open, and to nobody while it is shut. */
final class Gate implements AutoCloseable {
    private final String host;
    private final int port;
    private final ServerSocket listener;
    private final Set<Socket> sockets = new HashSet<>();
    private boolean open = true;

    Gate(String address) {
        String[] parts = address.split(":");
        host = parts[0];
        port = Integer.parseInt(parts[1]);
        try {
            listener = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        start(this::accept);
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** Ends all connections and, until it is opened again, every new one at once. */
    synchronized void shut() {
        open = false;
        sockets.forEach(Gate::end);
        sockets.clear();
    }

    synchronized void open() {
        open = true;
    }

    @Override
    public void close() {
        shut();
        try {
            listener.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void accept() {
        try {
            while (true) {
                lead(listener.accept());
            }
        } catch (IOException closed) {
            // The gate is gone.
        }
    }

    private synchronized void lead(Socket from) {
        if (!open) {
            end(from);
            return;
        }
        try {
            Socket to = new Socket(host, port);
            sockets.add(from);
            sockets.add(to);
            start(() -> copy(from, to));
            start(() -> copy(to, from));
        } catch (IOException unreachable) {
            end(from);
        }
    }

    private static void copy(Socket from, Socket to) {
        try {
            InputStream input = from.getInputStream();
            input.transferTo(to.getOutputStream());
        } catch (IOException ended) {
            // Either side has ended it; the other hears of it below.
        }
        end(from);
        end(to);
    }

    private static void end(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }
}
