import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group with the Java client, until stdin ends: the arguments and lines of member.py. */
public final class Member implements ConsumerRebalanceListener {
    private static final Map<String, String> STRATEGIES = Map.of(
            "range", "RangeAssignor",
            "roundrobin", "RoundRobinAssignor",
            "sticky", "StickyAssignor",
            "cooperative-sticky", "CooperativeStickyAssignor");

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<TopicPartition, OffsetAndMetadata> processed = new HashMap<>();

    private Member(Properties settings) {
        var bytes = new ByteArrayDeserializer();
        consumer = new KafkaConsumer<>(settings, bytes, bytes);
    }

    public static void main(String[] a) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", a[0]);
        settings.put("group.id", a[2]);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("group.protocol", a[3]);
        if (a[3].equals("classic")) {
            settings.put(
                    "partition.assignment.strategy",
                    "org.apache.kafka.clients.consumer." + STRATEGIES.get(a[4]));
            settings.put("session.timeout.ms", "6000");
            settings.put("heartbeat.interval.ms", "200");
        }
        AtomicBoolean isOver = new AtomicBoolean();
        Thread watcher = new Thread(() -> {
            try {
                System.in.readAllBytes();
            } catch (java.io.IOException error) {
                System.err.println(error);
            }
            isOver.set(true);
        });
        watcher.setDaemon(true);
        watcher.start();
        new Member(settings).run(a[1], isOver);
    }

    private void run(String topic, AtomicBoolean isOver) {
        int assigned = -1;
        consumer.subscribe(List.of(topic), this);
        while (!isOver.get()) {
            for (var record : consumer.poll(Duration.ofMillis(50))) {
                System.out.println("read " + new String(record.value(), StandardCharsets.UTF_8));
                var partition = new TopicPartition(record.topic(), record.partition());
                processed.put(partition, new OffsetAndMetadata(record.offset() + 1));
            }
            commit(processed.keySet());
            if (consumer.assignment().size() != assigned) {
                assigned = consumer.assignment().size();
                System.out.println("assigned " + assigned);
            }
            System.out.flush();
        }
        consumer.close();
        System.out.println("over");
    }

    private void commit(Collection<TopicPartition> partitions) {
        var offsets = new HashMap<>(processed);
        offsets.keySet().retainAll(partitions);
        if (offsets.isEmpty()) {
            return;
        }
        try {
            consumer.commitSync(offsets);
            processed.keySet().removeAll(offsets.keySet());
        } catch (KafkaException error) {
            System.err.println("commit: " + error);
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commit(partitions);
        processed.keySet().removeAll(partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        processed.keySet().removeAll(partitions);
    }
}
