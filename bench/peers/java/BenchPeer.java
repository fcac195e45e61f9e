import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java client for the benchmark: one run of one kind of work, what it used as one line of JSON.
 *
 * <p>A run begins with as many messages again that do not count, so that the compiler is warm.
 */
public final class BenchPeer {
    private static final String TOPIC = "bench";
    private static final int VALUE_BYTES = 100;
    private static final int OPEN_MAX = 100_000;

    public static void main(String[] a) throws Exception {
        String brokers = a[1];
        int partitions = Integer.parseInt(a[2]);
        long messages = Long.parseLong(a[3]);
        String codec = a[4];
        switch (a[0]) {
            case "produce" -> produce(brokers, codec, partitions, messages);
            case "consume" -> consume(brokers, partitions, messages);
            default -> latency(brokers, messages);
        }
    }

    private static KafkaProducer<byte[], byte[]> producer(String brokers, String codec, int linger) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        settings.put("linger.ms", linger);
        settings.put("batch.size", 128 * 1024);
        settings.put("buffer.memory", 32 * 1024 * 1024);
        settings.put("compression.type", codec);
        var bytes = new ByteArraySerializer();
        return new KafkaProducer<>(settings, bytes, bytes);
    }

    private static void produce(String brokers, String codec, int partitions, long messages)
            throws Exception {
        try (var producer = producer(brokers, codec, 5)) {
            send(producer, partitions, messages);
            Meter meter = new Meter();
            send(producer, partitions, messages);
            meter.print();
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, int partitions, long messages)
            throws Exception {
        ArrayDeque<Future<RecordMetadata>> open = new ArrayDeque<>(OPEN_MAX);
        for (long number = 0; number < messages; number++) {
            int partition = (int) (number % partitions);
            open.add(producer.send(new ProducerRecord<>(TOPIC, partition, null, value(number))));
            if (open.size() >= OPEN_MAX) {
                open.remove().get();
            }
        }
        for (var future : open) {
            future.get();
        }
    }

    /** Reads everything twice: once to warm up, then again from the beginning. */
    private static void consume(String brokers, int partitions, long messages) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, bytes, bytes)) {
            var assigned = IntStream.range(0, partitions)
                    .mapToObj(index -> new TopicPartition(TOPIC, index))
                    .toList();
            consumer.assign(assigned);
            consumer.seekToBeginning(assigned);
            read(consumer, messages);
            consumer.seekToBeginning(assigned);
            Meter meter = new Meter();
            read(consumer, messages);
            meter.print();
        }
    }

    private static void read(KafkaConsumer<byte[], byte[]> consumer, long messages) {
        long read = 0;
        long size = 0;
        while (read < messages) {
            var records = consumer.poll(Duration.ofSeconds(30));
            if (records.isEmpty()) {
                throw new IllegalStateException("nothing came after " + read + " messages");
            }
            for (var record : records) {
                size += record.value().length;
                read++;
            }
        }
        if (size == 0) {
            throw new IllegalStateException("all messages were empty");
        }
    }

    /** One record after another, each awaited; prints the times in nanoseconds, one a line. */
    private static void latency(String brokers, long messages) throws Exception {
        var lines = new StringBuilder();
        try (var producer = producer(brokers, "none", 0)) {
            for (long number = 0; number < messages; number++) {
                long started = System.nanoTime();
                producer.send(new ProducerRecord<>(TOPIC, 0, null, value(number))).get();
                lines.append(System.nanoTime() - started).append('\n');
            }
        }
        System.out.print(lines);
    }

    private static byte[] value(long number) {
        byte[] value = new byte[VALUE_BYTES];
        for (int index = 0; index < VALUE_BYTES; index++) {
            value[index] = (byte) ('a' + index % 26);
        }
        ByteBuffer.wrap(value).putLong(number);
        return value;
    }

    /** What this process has used since. */
    private static final class Meter {
        private final long cpu = cpu();
        private final long started = System.nanoTime();

        void print() {
            long cpuNs = cpu() - cpu;
            long wallNs = System.nanoTime() - started;
            System.out.printf(
                    "{\"cpu_ns\":%d,\"wall_ns\":%d,\"peak_kb\":%d}%n", cpuNs, wallNs, peakKb());
        }

        private static long cpu() {
            var system = java.lang.management.ManagementFactory.getOperatingSystemMXBean();
            return ((com.sun.management.OperatingSystemMXBean) system).getProcessCpuTime();
        }

        private static long peakKb() {
            try {
                for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                    if (line.startsWith("VmHWM:")) {
                        return Long.parseLong(line.replaceAll("[^0-9]", ""));
                    }
                }
            } catch (java.io.IOException unreadable) {
                throw new java.io.UncheckedIOException(unreadable);
            }
            return 0;
        }
    }
}
