// Connects to the account as a job of Java's does, with nothing but what the environment gives a JVM, and prints one line.

import java.net.URL;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.util.Properties;
import javax.net.ssl.HttpsURLConnection;

public class Probe {
    static String stage = "login";

    public static void main(String[] arguments) {
        String host = arguments[0], account = arguments[1], password = arguments[2];
        String error = null;
        try {
            if (arguments[3].equals("jdbc")) {
                jdbc(host, account, password);
            } else {
                URL url = new URL("https://" + host + "/");
                HttpsURLConnection connection = (HttpsURLConnection) url.openConnection();
                connection.setConnectTimeout(10000);
                connection.setReadTimeout(10000);
                connection.getResponseCode();
                stage = "tls";
            }
        } catch (Throwable failed) {
            StringBuilder told = new StringBuilder();
            for (Throwable one = failed; one != null && told.length() < 1000; one = one.getCause()) {
                told.append(one).append(": ");
            }
            error = told.toString();
        }
        System.out.println("\n{\"stage\":\"" + stage + "\",\"version\":\"Java " + System.getProperty("java.version")
                + "\",\"error\":" + (error == null ? "null" : quoted(error)) + "}");
        System.exit(0);
    }

    static void jdbc(String host, String account, String password) throws Exception {
        Properties settings = new Properties();
        settings.put("user", "icecore_doctor");
        settings.put("password", password);
        settings.put("account", account);
        settings.put("loginTimeout", "20");
        settings.put("networkTimeout", "20000");
        // Newer drivers fetch Arrow results by memory that JVMs open only when told to.
        settings.put("JDBC_QUERY_RESULT_FORMAT", "JSON");
        try (Connection connection = DriverManager.getConnection("jdbc:snowflake://" + host, settings)) {
            stage = "query";
            try (ResultSet rows = connection.createStatement().executeQuery("select 1")) {
                rows.next();
                rows.getString(1);
            }
            stage = "done";
        }
    }

    static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                quoted.append('\\').append(letter);
            } else if (letter < ' ') {
                quoted.append(' ');
            } else {
                quoted.append(letter);
            }
        }
        return quoted.append('"').toString();
    }
}
