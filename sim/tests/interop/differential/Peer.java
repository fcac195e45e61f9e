import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client for the differential tests: the commands and lines of peer.py. */
public final class Peer {
    private static final Duration WAIT = Duration.ofSeconds(30);
    private static final PrintStream OUT =
            new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] a) throws Exception {
        if (a[0].equals("produce")) {
            produce(a[1], a[2], a[3]);
        } else {
            consume(a[1], a[2], Integer.parseInt(a[3]), Integer.parseInt(a[4]), a[5]);
        }
        OUT.flush();
    }

    private static void produce(String bootstrap, String topic, String codec) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("compression.type", codec);
        settings.put("linger.ms", "20");
        var bytes = new ByteArraySerializer();
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<byte[], byte[]>(settings, bytes, bytes)) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                sent.add(producer.send(record(topic, line.split("\t", -1))));
            }
        }
        for (var future : sent) {
            OUT.println(future.get().partition() + " " + future.get().offset());
        }
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, String[] fields) {
        int partition = Integer.parseInt(fields[0]);
        var record = new ProducerRecord<byte[], byte[]>(
                topic,
                partition < 0 ? null : partition,
                Long.valueOf(fields[3]),
                decode(fields[4]),
                decode(fields[5]));
        for (String header : fields[6].isEmpty() ? new String[0] : fields[6].split(",")) {
            String[] pair = header.split("=", -1);
            String name = new String(decode(pair[0]), StandardCharsets.UTF_8);
            record.headers().add(name, decode(pair[1]));
        }
        return record;
    }

    private static void consume(
            String bootstrap, String topic, int partitions, int count, String isolation) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("isolation.level", isolation);
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, bytes, bytes)) {
            var assigned = IntStream.range(0, partitions)
                    .mapToObj(index -> new TopicPartition(topic, index))
                    .toList();
            consumer.assign(assigned);
            consumer.seekToBeginning(assigned);
            int read = 0;
            while (read < count) {
                var records = consumer.poll(WAIT);
                if (records.isEmpty()) {
                    throw new IllegalStateException("only " + read + " of " + count + " came");
                }
                for (var record : records) {
                    OUT.println(line(record));
                    read++;
                }
            }
        }
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            byte[] name = header.key().getBytes(StandardCharsets.UTF_8);
            headers.add(encode(name) + "=" + encode(header.value()));
        }
        return String.join(
                "\t",
                Integer.toString(record.partition()),
                Long.toString(record.offset()),
                record.timestampType().toString(),
                Long.toString(record.timestamp()),
                encode(record.key()),
                encode(record.value()),
                String.join(",", headers));
    }

    private static byte[] decode(String field) {
        return field.equals("-") ? null : HexFormat.of().parseHex(field.substring(1));
    }

    private static String encode(byte[] data) {
        return data == null ? "-" : "x" + HexFormat.of().formatHex(data);
    }
}
