// Logs in at the account as a JDBC driver does, with nothing but what the environment gives a JVM, and prints one line.
// One file, so that `java Post.java` compiles and runs it.

import java.io.InputStream;
import java.io.OutputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.HttpsURLConnection;

public class Post {
    public static void main(String[] arguments) throws Exception {
        String body = "{\"data\":{\"CLIENT_APP_ID\":\"JDBC\",\"CLIENT_APP_VERSION\":\"3.0\",\"ACCOUNT_NAME\":\"acme\","
                + "\"LOGIN_NAME\":\"agent\",\"PASSWORD\":\"dummy-password-3b1c\",\"SESSION_PARAMETERS\":{}}}";
        URL url = new URL(arguments[0] + "/session/v1/login-request?requestId=" + java.util.UUID.randomUUID());
        try {
            HttpsURLConnection connection = (HttpsURLConnection) url.openConnection();
            connection.setRequestMethod("POST");
            connection.setDoOutput(true);
            connection.setRequestProperty("Content-Type", "application/json");
            connection.setRequestProperty("Accept", "application/json");
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body.getBytes(StandardCharsets.UTF_8));
            }
            try (InputStream in = connection.getInputStream()) {
                String answer = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                System.out.println(connection.getResponseCode() + " " + answer);
            }
        } catch (javax.net.ssl.SSLException error) {
            System.out.println("untrusted: " + error.getMessage());
        }
    }
}
