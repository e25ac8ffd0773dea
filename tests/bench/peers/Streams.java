import java.nio.file.Files;
import java.time.Duration;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.TimeWindows;

/** Kafka Streams: windows by the message's key, which is the rep's, kept in RocksDB with a changelog, exactly once. */
public class Streams {
    static long done, warmUp, began;

    static synchronized void meter(long events) {
        done++;
        if (done == warmUp) {
            began = System.nanoTime();
        }
        if (done == events) {
            double tookS = (System.nanoTime() - began) / 1e9;
            System.out.printf(java.util.Locale.ROOT, "{\"events_per_s\": %.1f}%n", (events - warmUp) / tookS);
            System.out.flush();
            Runtime.getRuntime().halt(0);
        }
    }

    public static void main(String[] asked) throws Exception {
        String bootstrap = asked[0], topic = asked[1], kind = asked[2];
        long events = Long.parseLong(asked[3]);
        warmUp = events / 10;
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "peer-streams-" + UUID.randomUUID());
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("peer-streams").toString());
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put("auto.offset.reset", "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, byte[]> calls =
            builder.stream(topic, org.apache.kafka.streams.kstream.Consumed.with(Serdes.String(), Serdes.ByteArray()));
        KStream<String, byte[]> parsed = calls.filter((rep, call) -> rep(call).length() > 0);
        if (kind.equals("decode")) {
            parsed.foreach((rep, call) -> meter(events));
        } else {
            Duration minute = Duration.ofMinutes(1);
            TimeWindows windows = kind.equals("tumbling")
                ? TimeWindows.ofSizeWithNoGrace(minute)
                : TimeWindows.ofSizeWithNoGrace(Duration.ofHours(1)).advanceBy(minute);
            KGroupedStream<String, byte[]> byRep = parsed.peek((rep, call) -> meter(events)).groupByKey();
            byRep.windowedBy(windows).count();
        }
        new KafkaStreams(builder.build(), config).start();
    }

    /** The value of "rep" in the event's data: a search instead of a parser, so to the peer's advantage. */
    static String rep(byte[] call) {
        String text = new String(call, java.nio.charset.StandardCharsets.UTF_8);
        int from = text.indexOf("\"rep\":\"") + 7;
        return text.substring(from, text.indexOf('"', from));
    }
}
